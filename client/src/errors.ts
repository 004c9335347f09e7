import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJson } from "@connectrpc/connect/protocol-connect";
import { type ErrorDetail, ErrorDetailSchema, ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import type { SendMessageError } from "@parley/proto/parley/v1/message_service_pb.js";

/** The reasons that the SDK itself gives, beside those of the server. */
export type LocalReason =
  /** The server could not be reached, or its answer got lost. What was asked may have happened. */
  | "UNREACHABLE"
  /** The stream is not open, and this kind of send does not wait for it. */
  | "OFFLINE"
  /** The send waited too long. It may have been stored; sending it again with the same id is safe. */
  | "SEND_EXPIRED"
  /** A user is logged in already: log out first. */
  | "LOGGED_IN"
  /** There is no session: log in first. */
  | "NOT_LOGGED_IN"
  /** The session ended while the call waited. */
  | "LOGGED_OUT"
  /** The client was closed. */
  | "CLOSED"
  /** A reason that this version does not know. */
  | "UNKNOWN";

/** The reasons of the server, by their names in the contract, and those of the SDK. */
export type ParleyErrorReason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED"> | LocalReason;

/** The facts of a {@link ParleyError}. */
export interface ParleyErrorFacts {
  readonly retryable?: boolean;
  readonly retryDelayMs?: number | undefined;
  readonly field?: string;
  readonly code?: string;
  readonly cause?: unknown;
}

/** The one error that the SDK throws. Its message is for developers and holds no token and no message text of the caller. */
export class ParleyError extends Error {
  override readonly name = "ParleyError";
  /** The reason, for programs. */
  readonly reason: ParleyErrorReason;
  /** The promise that the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** The milliseconds to wait before the next try; undefined when the caller may choose. */
  readonly retryDelayMs: number | undefined;
  /** The path of the request field at fault, such as `content.text.text`; empty when no field is. */
  readonly field: string;
  /** The Connect code as a lower-case word, such as `permission_denied`. */
  readonly code: string;

  constructor(reason: ParleyErrorReason, message: string, facts: ParleyErrorFacts = {}) {
    super(message, facts.cause === undefined ? {} : { cause: facts.cause });
    this.reason = reason;
    this.retryable = facts.retryable ?? false;
    this.retryDelayMs = facts.retryDelayMs;
    this.field = facts.field ?? "";
    this.code = facts.code ?? "unknown";
  }
}

/** The codes by which a network, a proxy or a browser says that the server was not reached. */
const unreachable: ReadonlySet<Code> = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Aborted, Code.Unknown]);

/** The lower-case word of a Connect code. */
function codeWord(code: Code): string {
  return Code[code].replace(/(?<=.)[A-Z]/g, "_$&").toLowerCase();
}

function fromDetail(detail: ErrorDetail, message: string, code: string, cause: unknown): ParleyError {
  const name = ErrorReason[detail.reason] as keyof typeof ErrorReason | undefined;
  return new ParleyError(name === undefined || name === "UNSPECIFIED" ? "UNKNOWN" : name, message, {
    retryable: detail.retryable,
    retryDelayMs: detail.retryDelay && durationMs(detail.retryDelay),
    field: detail.field,
    code,
    cause,
  });
}

/** The reason for a failure that came without a detail: not from the server itself, or from before it knew the call. */
function bareReason(code: Code): ParleyErrorReason {
  if (unreachable.has(code)) return "UNREACHABLE";
  if (code === Code.Unauthenticated) return "UNAUTHENTICATED";
  return code === Code.Canceled ? "CANCELED" : "UNKNOWN";
}

/**
 * Turns whatever a call threw into a {@link ParleyError}.
 *
 * @param signal what the caller may have cancelled the call with: a transport calls it cancelled too when the connection broke
 */
export function toParleyError(thrown: unknown, signal?: AbortSignal): ParleyError {
  if (thrown instanceof ParleyError) return thrown;
  const error = ConnectError.from(thrown);
  const code = codeWord(error.code);
  const detail = error.findDetails(ErrorDetailSchema)[0];
  if (detail) return fromDetail(detail, error.message, code, error);
  const broke = isBroken(error.cause) || (error.code === Code.Canceled && !signal?.aborted);
  const reason = broke ? "UNREACHABLE" : bareReason(error.code);
  return new ParleyError(reason, error.message, { retryable: reason === "UNREACHABLE", code, cause: error });
}

/** Whether a call failed by its connection, as the operating system tells it: some of its words a transport calls internal. */
function isBroken(cause: unknown): boolean {
  return cause instanceof Error && "syscall" in cause;
}

/** Turns the failure of one of a batch into a {@link ParleyError}. */
export function fromResultError(error: Pick<SendMessageError, "code" | "message" | "detail">): ParleyError {
  const message = `[${error.code}] ${error.message}`;
  if (error.detail) return fromDetail(error.detail, message, error.code, undefined);
  return new ParleyError("UNKNOWN", message, { code: error.code });
}

/** Turns what the server has answered to a plain PUT into a {@link ParleyError}. */
export function fromHttpError(status: number, text: string): ParleyError {
  const bare = new ConnectError(`the server answered with ${status}`, status >= 500 ? Code.Unavailable : Code.Unknown);
  try {
    return toParleyError(errorFromJson(JSON.parse(text), undefined, bare));
  } catch {
    return toParleyError(bare);
  }
}

/** Whether the error says that the session is no good any more. A credential that is wrong says so of itself alone. */
export function rejectsSession(error: ParleyError): boolean {
  return error.code === "unauthenticated" && error.reason !== "WRONG_CREDENTIAL";
}
