import type { Message } from "@bufbuild/protobuf";
import { listMemberIds } from "../../store/members.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { actorOf, asOrdinaryCaller, asOrdinaryUser } from "../ordinary.js";
import { checkNewcomers, listFields } from "./admission.js";
import type { PlaceKind } from "./kind.js";
import { letIn } from "./membership.js";
import { requireMember, requireRole, roleTooLow, standingIn, wholePlace } from "./standing.js";

/** Adds members; see GroupService.AddGroupMembers and RoomService.AddRoomMembers. */
export async function addMembers<T extends Message>(
  ctx: Ctx,
  caller: Caller,
  kind: PlaceKind<T>,
  id: string,
  userIds: readonly string[],
): Promise<T> {
  const by = asOrdinaryCaller(caller);
  if (userIds.every((userId) => userId === actorOf(by))) return await joinPlace(ctx, caller, kind, id);
  const bounds = { members: await kind.mostMembers(ctx, by.appId), placesOfUser: ctx.limits.groupsPerUser };
  return await ctx.committer.run(by.appId, async (tx) => {
    const standing = await standingIn(tx.db, kind, id, by);
    requireMember(kind, standing);
    const name = standing.place.place;
    requireRole(kind, standing, kind.addingRole(standing.place));
    const present = new Set((await listMemberIds(tx.db, by.appId, [name])).get(name));
    const newcomers = [...new Set(userIds)].filter((userId) => !present.has(userId));
    if (newcomers.length > 0)
      await checkNewcomers(tx, present.size, newcomers, bounds, listFields("user_ids", userIds));
    const place = await letIn(tx, kind, standing.place, newcomers, standing.actorUserId);
    return await wholePlace(tx.db, kind, place);
  });
}

/** Lets the caller in; see GroupService.JoinGroup and RoomService.JoinRoom. */
export async function joinPlace<T extends Message>(
  ctx: Ctx,
  caller: Caller,
  kind: PlaceKind<T>,
  id: string,
): Promise<T> {
  const by = asOrdinaryUser(caller);
  const bounds = { members: await kind.mostMembers(ctx, by.appId), placesOfUser: ctx.limits.groupsPerUser };
  const fields = { all: kind.idField, of: () => "" };
  return await ctx.committer.run(by.appId, async (tx) => {
    const { place, member } = await standingIn(tx.db, kind, id, by);
    if (member) return await wholePlace(tx.db, kind, place);
    if (!kind.openToJoin(place)) throw roleTooLow(kind, kind.idField);
    await checkNewcomers(tx, place.member_count, [by.userId], bounds, fields);
    return await wholePlace(tx.db, kind, await letIn(tx, kind, place, [by.userId], by.userId));
  });
}
