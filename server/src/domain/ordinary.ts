import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { asMemberOfApp, asUser, type Caller, type ServiceCaller, type UserCaller } from "./caller.js";
import { DomainError, ErrorReason } from "./errors.js";

/** The caller as an ordinary user. Throws ROLE_TOO_LOW for a guest. */
export function asOrdinaryUser(caller: Caller): UserCaller {
  return noGuest(asUser(caller));
}

/** The caller as an ordinary user or the app's backend. Throws ROLE_TOO_LOW for a guest. */
export function asOrdinaryCaller(caller: Caller): UserCaller | ServiceCaller {
  const member = asMemberOfApp(caller);
  return member.kind === "user" ? noGuest(member) : member;
}

/** The id of the user who acts, or empty for the app's backend. */
export function actorOf(caller: UserCaller | ServiceCaller): string {
  return caller.kind === "user" ? caller.userId : "";
}

/** The refusal of a guest where only ordinary users may be. */
export function guestRefused(field?: string): DomainError {
  const facts = field === undefined ? {} : { field };
  return new DomainError(ErrorReason.ROLE_TOO_LOW, "guests have no friends, groups or rooms", facts);
}

function noGuest(user: UserCaller): UserCaller {
  if (user.userKind === UserKind.GUEST) throw guestRefused();
  return user;
}
