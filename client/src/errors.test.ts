import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { describe, expect, it } from "vitest";
import { fromResultError, ParleyError, rejectsSession, toParleyError } from "./errors.js";
import { refusal } from "./testing/fake-server.js";

describe("an error of the server", () => {
  it("keeps reason, code, retry delay and cause", () => {
    const cause = refusal(ErrorReason.RATE_LIMITED, Code.ResourceExhausted, {
      retryable: true,
      retryDelay: durationFromMs(1500),
    });
    const error = toParleyError(cause);
    expect(error).toBeInstanceOf(ParleyError);
    expect(error).toMatchObject({
      reason: "RATE_LIMITED",
      code: "resource_exhausted",
      retryable: true,
      retryDelayMs: 1500,
      cause,
    });
    expect(toParleyError(error)).toBe(error);
  });

  it("of a reason that this version does not know is UNKNOWN", () => {
    const error = toParleyError(refusal(999 as ErrorReason, Code.FailedPrecondition));
    expect(error).toMatchObject({ reason: "UNKNOWN", code: "failed_precondition", retryable: false });
  });

  it("in a batch is told the same way", () => {
    const error = fromResultError({
      code: "permission_denied",
      message: "no",
      detail: {
        $typeName: "parley.v1.ErrorDetail",
        reason: ErrorReason.MUTED,
        retryable: false,
        field: "receiver",
        metadata: {},
      },
    });
    expect(error).toMatchObject({ reason: "MUTED", code: "permission_denied", field: "receiver" });
    const bare = fromResultError({ code: "internal", message: "no" });
    expect(bare).toMatchObject({ reason: "UNKNOWN", code: "internal", retryable: false });
  });
});

describe("an error on the way", () => {
  it.each([
    [new ConnectError("refused", Code.Unavailable), "UNREACHABLE", true],
    [new ConnectError("late", Code.DeadlineExceeded), "UNREACHABLE", true],
    [new TypeError("Failed to fetch"), "UNREACHABLE", true],
    [new ConnectError("401", Code.Unauthenticated), "UNAUTHENTICATED", false],
    [new ConnectError("reset", Code.Canceled), "UNREACHABLE", true],
    [new ConnectError("bug", Code.Internal), "UNKNOWN", false],
    [
      new ConnectError(
        "write EPIPE",
        Code.Internal,
        {},
        [],
        Object.assign(new Error("write EPIPE"), { syscall: "write" }),
      ),
      "UNREACHABLE",
      true,
    ],
  ])("%s is %s", (thrown, reason, retryable) => {
    expect(toParleyError(thrown)).toMatchObject({ reason, retryable });
  });

  it("is CANCELED when the caller cancelled", () => {
    const cancelled = new ConnectError("stopped", Code.Canceled);
    expect(toParleyError(cancelled, AbortSignal.abort())).toMatchObject({ reason: "CANCELED", retryable: false });
    expect(toParleyError(cancelled, new AbortController().signal).reason).toBe("UNREACHABLE");
  });

  it("rejects the session only when it is about who calls", () => {
    expect(rejectsSession(toParleyError(new ConnectError("401", Code.Unauthenticated)))).toBe(true);
    const ofPassword = refusal(ErrorReason.WRONG_CREDENTIAL, Code.Unauthenticated);
    expect(rejectsSession(toParleyError(ofPassword))).toBe(false);
    expect(rejectsSession(toParleyError(new ConnectError("403", Code.PermissionDenied)))).toBe(false);
  });
});
