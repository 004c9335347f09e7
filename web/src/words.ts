import { ParleyError, type ParleyErrorReason } from "@parley/client";

const words: Partial<Record<ParleyErrorReason, string>> = {
  ALREADY_EXISTS: "That exists already.",
  BLOCKED: "This user has blocked you.",
  CANCELED: "The call was cancelled.",
  CLOSED: "The connection was closed.",
  CONTENT_REJECTED: "The content was refused by the rules of this app.",
  DEADLINE_EXCEEDED: "The server took too long. Try again.",
  IDEMPOTENCY_CONFLICT: "A message with this id was sent before with another text.",
  LOGGED_OUT: "You were logged out before this was sent.",
  LOGIN_DISABLED: "This app does not allow logging in by a bare id.",
  MEMBER_LIMIT: "There is no room for more members.",
  MUTED: "You are muted in this group.",
  NOT_FOUND: "There is nobody and nothing with this id.",
  NOT_FRIEND: "This app lets only friends write to each other.",
  NOT_LOGGED_IN: "Log in first.",
  NOT_MEMBER: "You are not a member here.",
  OFFLINE: "You are offline, and room talk does not wait.",
  OWNER_CANNOT_BE_REMOVED: "The owner cannot leave the group.",
  RATE_LIMITED: "That was too fast. Wait a moment.",
  ROLE_TOO_LOW: "You may not do that here.",
  SEND_EXPIRED: "The message waited too long for the network.",
  SERVER_BUSY: "The server is busy. Try again in a moment.",
  SESSION_REVOKED: "Your session has ended. Log in again.",
  STORAGE_UNAVAILABLE: "The server cannot store anything just now. Try again.",
  TOO_LARGE: "That is too large.",
  UNAUTHENTICATED: "Your session has ended. Log in again.",
  UNREACHABLE: "The server cannot be reached.",
  UPLOAD_INCOMPLETE: "The file did not arrive in whole. Try again.",
  UNSUPPORTED: "The server does not offer this.",
  WRONG_CREDENTIAL: "The app id or the client key is wrong.",
};

/** The fields that hold ids of users, groups or rooms. */
const ID_FIELD = /(^|[._])(user|group|room)_ids?(\[\d+\])?$/;

/** What went wrong, in words for the user. */
export function explain(thrown: unknown): string {
  if (!(thrown instanceof ParleyError)) return "Something went wrong.";
  const { reason, field } = thrown;
  if (reason === "INVALID_FIELD" && ID_FIELD.test(field))
    return "An id has only letters and digits of English, - and _, at most 128 of them.";
  if (reason === "INVALID_FIELD") return `The server does not accept this${field ? ` (${field})` : ""}.`;
  return words[reason] ?? `Something went wrong (${reason.toLowerCase().replaceAll("_", " ")}).`;
}
