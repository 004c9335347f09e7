import type { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { DomainError, ErrorReason } from "./errors.js";

/** A user who acts: by its own session, or through a service key. */
export interface UserCaller {
  kind: "user";
  appId: string;
  userId: string;
  userKind: UserKind;
  /** The session, or undefined when the app's backend acts for the user. */
  sessionId: string | undefined;
}

/** The app's backend acting as itself. */
export interface ServiceCaller {
  kind: "service";
  appId: string;
  serviceKeyId: string;
}

/** The one who runs the server. */
export interface OperatorCaller {
  kind: "operator";
}

export type Caller = UserCaller | ServiceCaller | OperatorCaller | { kind: "nobody" };

function unauthenticated(message: string): DomainError {
  return new DomainError(ErrorReason.UNAUTHENTICATED, message);
}

/** The caller as a user. */
export function asUser(caller: Caller): UserCaller {
  if (caller.kind === "user") return caller;
  if (caller.kind === "service")
    throw unauthenticated("this call acts for a user: name one in parley-acting-user, or use a session token");
  throw unauthenticated("this call needs a session token");
}

/** The caller as a user with a session of its own. */
export function asSession(caller: Caller): UserCaller & { sessionId: string } {
  const user = asUser(caller);
  if (user.sessionId === undefined) throw unauthenticated("this call needs a session token, not a service key");
  return { ...user, sessionId: user.sessionId };
}

/** The caller as the app's backend. */
export function asService(caller: Caller): ServiceCaller {
  if (caller.kind === "service") return caller;
  throw unauthenticated("this call needs a service key, without parley-acting-user");
}

/** The caller as a user or the app's backend. */
export function asMemberOfApp(caller: Caller): UserCaller | ServiceCaller {
  if (caller.kind === "user" || caller.kind === "service") return caller;
  throw unauthenticated("this call needs a session token or a service key");
}

export function asOperator(caller: Caller): OperatorCaller {
  if (caller.kind === "operator") return caller;
  throw unauthenticated("this call needs the operator token");
}
