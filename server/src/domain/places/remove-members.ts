import type { Message } from "@bufbuild/protobuf";
import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import type { Tx } from "../../store/committer.js";
import { findMembersOf, type PlaceRow } from "../../store/members.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason } from "../errors.js";
import { actorOf, asOrdinaryCaller, asOrdinaryUser } from "../ordinary.js";
import type { PlaceKind } from "./kind.js";
import { letGo } from "./membership.js";
import { requireMember, requireRole, roleTooLow, type Standing, standingIn, wholePlace } from "./standing.js";

/** Removes members; see GroupService.RemoveGroupMembers and RoomService.RemoveRoomMembers. */
export async function removeMembers<T extends Message>(
  ctx: Ctx,
  caller: Caller,
  kind: PlaceKind<T>,
  id: string,
  userIds: readonly string[],
): Promise<T> {
  const by = asOrdinaryCaller(caller);
  if (userIds.every((userId) => userId === actorOf(by))) return await leavePlace(ctx, caller, kind, id);
  return await ctx.committer.run(by.appId, async (tx) => {
    const standing = await standingIn(tx.db, kind, id, by);
    if (kind.ownerStays) requireMember(kind, standing);
    requireRole(kind, standing, kind.removingRole);
    const { place, actorUserId } = standing;
    const named = [...new Set(userIds)];
    const members = await findMembersOf(tx.db, by.appId, [place.place], named);
    const roles = new Map(members.map((member) => [member.user_id, member.role]));
    for (const [at, userId] of userIds.entries())
      checkRemoval(kind, standing, userId, roles.get(userId) ?? GroupRole.UNSPECIFIED, `user_ids[${at}]`);
    const leavers = named.filter((userId) => roles.has(userId));
    const after = await letGo(tx, kind, place, leavers, actorUserId);
    return await seenAfter(tx, kind, after, !leavers.includes(actorUserId));
  });
}

/** Lets the caller go; see GroupService.LeaveGroup and RoomService.LeaveRoom. */
export async function leavePlace<T extends Message>(
  ctx: Ctx,
  caller: Caller,
  kind: PlaceKind<T>,
  id: string,
): Promise<T> {
  const by = asOrdinaryUser(caller);
  return await ctx.committer.run(by.appId, async (tx) => {
    const { place, member } = await standingIn(tx.db, kind, id, by);
    if (kind.ownerStays && place.owner_user_id === by.userId) throw ownerStays(kind, kind.idField);
    // One who never was a member learns nothing of the place by leaving it.
    if (!member && !kind.openToView) return kind.mention(id);
    return await seenAfter(tx, kind, await letGo(tx, kind, place, member ? [by.userId] : [], by.userId), false);
  });
}

/** The place as the caller may see it then: without its members when they are not for one who has left. */
async function seenAfter<T extends Message>(tx: Tx, kind: PlaceKind<T>, place: PlaceRow, member: boolean): Promise<T> {
  return member || kind.openToView ? await wholePlace(tx.db, kind, place) : kind.describe(place);
}

function checkRemoval(kind: PlaceKind, standing: Standing, userId: string, role: GroupRole, field: string): void {
  if (kind.ownerStays && userId === standing.place.owner_user_id) throw ownerStays(kind, field);
  // An admin may go along with those it removes, but not remove another.
  // The app's backend stands above all of them.
  if (standing.actorUserId !== "" && role >= standing.role && userId !== standing.actorUserId)
    throw roleTooLow(kind, field);
}

function ownerStays(kind: PlaceKind, field: string): DomainError {
  return new DomainError(ErrorReason.OWNER_CANNOT_BE_REMOVED, `the owner of a ${kind.word} cannot leave it`, { field });
}
