import type { Message } from "@bufbuild/protobuf";
import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { findMember, findPlace, listMemberIds, type PlaceRow } from "../../store/members.js";
import type { Db } from "../../store/schema.js";
import type { ServiceCaller, UserCaller } from "../caller.js";
import { DomainError, ErrorReason, notFound } from "../errors.js";
import { actorOf } from "../ordinary.js";
import type { PlaceKind } from "./kind.js";

/** What a caller is to a place. */
export interface Standing {
  place: PlaceRow;
  /** The user who acts, or empty for the app's backend. */
  actorUserId: string;
  member: boolean;
  /** UNSPECIFIED for one who is neither member nor owner. A room's creator has the role of an owner. */
  role: GroupRole;
}

/** Loads a place and the caller's standing in it; the app's backend stands there as an owner. Throws NOT_FOUND. */
export async function standingIn(
  db: Db,
  kind: PlaceKind,
  id: string,
  caller: UserCaller | ServiceCaller,
): Promise<Standing> {
  const place = await findPlace(db, caller.appId, kind.prefix + id);
  if (place === undefined) throw notFound(kind.word, kind.idField);
  const actorUserId = actorOf(caller);
  if (actorUserId === "") return { place, actorUserId, member: true, role: GroupRole.OWNER };
  const member = await findMember(db, caller.appId, place.place, actorUserId);
  const owner = place.owner_user_id === actorUserId;
  const role = owner ? GroupRole.OWNER : (member?.role ?? GroupRole.UNSPECIFIED);
  return { place, actorUserId, member: member !== undefined, role };
}

export function requireMember(kind: PlaceKind, standing: Standing): void {
  if (!standing.member)
    throw new DomainError(ErrorReason.NOT_MEMBER, `you are not a member of this ${kind.word}`, { field: kind.idField });
}

/** Refuses a caller below a role; the field names what asks for the role, if it is not the place itself. */
export function requireRole(kind: PlaceKind, standing: Standing, role: GroupRole, field: string = kind.idField): void {
  if (standing.role < role) throw roleTooLow(kind, field);
}

export function roleTooLow(kind: PlaceKind, field: string): DomainError {
  return new DomainError(ErrorReason.ROLE_TOO_LOW, `your role in this ${kind.word} does not allow this`, { field });
}

/** A place with its members. */
export async function wholePlace<T extends Message>(db: Db, kind: PlaceKind<T>, place: PlaceRow): Promise<T> {
  const members = await listMemberIds(db, place.app_id, [place.place]);
  return kind.describe(place, members.get(place.place));
}
