import type { Message } from "@bufbuild/protobuf";
import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { listMemberIds } from "../../store/members.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { asOrdinaryCaller } from "../ordinary.js";
import { checkNewcomers, listFields } from "./admission.js";
import type { PlaceKind } from "./kind.js";
import { letGo, letIn } from "./membership.js";
import { requireRole, standingIn, wholePlace } from "./standing.js";

/** Makes the members exactly these, and the owner who is one; see GroupService.ReplaceGroupMembers and RoomService.ReplaceRoomMembers. */
export async function replaceMembers<T extends Message>(
  ctx: Ctx,
  caller: Caller,
  kind: PlaceKind<T>,
  id: string,
  userIds: readonly string[],
): Promise<T> {
  const by = asOrdinaryCaller(caller);
  const bounds = { members: await kind.mostMembers(ctx, by.appId), placesOfUser: ctx.limits.groupsPerUser };
  return await ctx.committer.run(by.appId, async (tx) => {
    const standing = await standingIn(tx.db, kind, id, by);
    requireRole(kind, standing, GroupRole.OWNER);
    const { place, actorUserId } = standing;
    const present = (await listMemberIds(tx.db, by.appId, [place.place])).get(place.place) ?? [];
    const wanted = new Set([...userIds, place.owner_user_id]);
    const leavers = present.filter((userId) => !wanted.has(userId));
    const known = new Set(present);
    const newcomers = [...new Set(userIds)].filter((userId) => !known.has(userId));
    if (newcomers.length > 0)
      await checkNewcomers(tx, present.length - leavers.length, newcomers, bounds, listFields("user_ids", userIds));
    const smaller = await letGo(tx, kind, place, leavers, actorUserId);
    return await wholePlace(tx.db, kind, await letIn(tx, kind, smaller, newcomers, actorUserId));
  });
}
