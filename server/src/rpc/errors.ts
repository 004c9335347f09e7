import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorDetail, ErrorDetailSchema, ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { DomainError, refusalOf } from "../domain/errors.js";

/** The Connect code of each reason. docs/errors.md lists the same; a test compares them. */
export const CODES: Record<ErrorReason, Code> = {
  [ErrorReason.UNSPECIFIED]: Code.Internal,
  [ErrorReason.INVALID_FIELD]: Code.InvalidArgument,
  [ErrorReason.UNAUTHENTICATED]: Code.Unauthenticated,
  [ErrorReason.SESSION_REVOKED]: Code.Unauthenticated,
  [ErrorReason.WRONG_CREDENTIAL]: Code.Unauthenticated,
  [ErrorReason.LOGIN_DISABLED]: Code.PermissionDenied,
  [ErrorReason.NOT_FRIEND]: Code.PermissionDenied,
  [ErrorReason.BLOCKED]: Code.PermissionDenied,
  [ErrorReason.NOT_MEMBER]: Code.PermissionDenied,
  [ErrorReason.ROLE_TOO_LOW]: Code.PermissionDenied,
  [ErrorReason.MUTED]: Code.PermissionDenied,
  [ErrorReason.NOT_FOUND]: Code.NotFound,
  [ErrorReason.ALREADY_EXISTS]: Code.AlreadyExists,
  [ErrorReason.OWNER_CANNOT_BE_REMOVED]: Code.FailedPrecondition,
  [ErrorReason.MEMBER_LIMIT]: Code.ResourceExhausted,
  [ErrorReason.RATE_LIMITED]: Code.ResourceExhausted,
  [ErrorReason.TOO_LARGE]: Code.ResourceExhausted,
  [ErrorReason.IDEMPOTENCY_CONFLICT]: Code.AlreadyExists,
  [ErrorReason.CURSOR_EXPIRED]: Code.OutOfRange,
  [ErrorReason.CURSOR_INVALID]: Code.OutOfRange,
  [ErrorReason.RECALL_WINDOW_PASSED]: Code.FailedPrecondition,
  [ErrorReason.CONTENT_REJECTED]: Code.FailedPrecondition,
  [ErrorReason.STORAGE_UNAVAILABLE]: Code.Unavailable,
  [ErrorReason.UPLOAD_INCOMPLETE]: Code.FailedPrecondition,
  [ErrorReason.UNSUPPORTED]: Code.Unimplemented,
  [ErrorReason.EARLIER_FAILED]: Code.Aborted,
  [ErrorReason.SERVER_BUSY]: Code.Unavailable,
  [ErrorReason.DEADLINE_EXCEEDED]: Code.DeadlineExceeded,
  [ErrorReason.CANCELED]: Code.Canceled,
  [ErrorReason.LAST_CREDENTIAL]: Code.FailedPrecondition,
};

const RETRYABLE: ReadonlySet<ErrorReason> = new Set([
  ErrorReason.RATE_LIMITED,
  ErrorReason.STORAGE_UNAVAILABLE,
  ErrorReason.EARLIER_FAILED,
  ErrorReason.SERVER_BUSY,
  ErrorReason.DEADLINE_EXCEEDED,
]);

/** A failure as the wire tells it. */
export interface WireError {
  code: Code;
  message: string;
  detail: ErrorDetail;
  /** The failure was not foreseen: its cause belongs into the log. */
  unexpected: boolean;
}

export function isWireError(failure: unknown): failure is WireError {
  return typeof failure === "object" && failure !== null && "detail" in failure && "code" in failure;
}

/** The one place where failures become codes and details. What was not foreseen tells nothing of the inside. */
export function wireError(error: unknown, requestId: string): WireError {
  const known = knownError(error);
  const { reason, message, facts } = known ?? { reason: ErrorReason.UNSPECIFIED, message: "internal error", facts: {} };
  const detail = create(ErrorDetailSchema, {
    reason,
    retryable: RETRYABLE.has(reason),
    field: facts.field ?? "",
    metadata: { ...facts.metadata, request_id: requestId },
  });
  if (facts.retryDelayMs !== undefined) detail.retryDelay = durationFromMs(facts.retryDelayMs);
  return { code: CODES[reason], message, detail, unexpected: known === undefined };
}

/** The failure in the form Connect sends. */
export function toConnectError(failure: WireError): ConnectError {
  return new ConnectError(failure.message, failure.code, undefined, [
    { desc: ErrorDetailSchema, value: failure.detail },
  ]);
}

function knownError(error: unknown): DomainError | undefined {
  return refusalOf(error) ?? (error instanceof ConnectError ? transportError(error) : undefined);
}

/** What Connect itself refuses: a malformed, oversized, late or cancelled request. */
function transportError(error: ConnectError): DomainError | undefined {
  switch (error.code) {
    case Code.Canceled:
      return new DomainError(ErrorReason.CANCELED, "the call was cancelled");
    case Code.DeadlineExceeded:
      return new DomainError(ErrorReason.DEADLINE_EXCEEDED, "the call took longer than its deadline");
    case Code.ResourceExhausted:
      return new DomainError(ErrorReason.TOO_LARGE, error.rawMessage);
    case Code.InvalidArgument:
      return new DomainError(ErrorReason.INVALID_FIELD, error.rawMessage);
    case Code.Unimplemented:
      return new DomainError(ErrorReason.UNSUPPORTED, error.rawMessage);
    default:
      return undefined;
  }
}

/** The name of a code as it stands on the wire, such as permission_denied. */
export function codeName(code: Code): string {
  return (Code[code] ?? "Unknown").replace(
    /[A-Z]/g,
    (letter, at: number) => (at === 0 ? "" : "_") + letter.toLowerCase(),
  );
}
