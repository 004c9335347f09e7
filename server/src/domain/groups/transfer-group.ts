import { type Group, GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { Tx } from "../../store/committer.js";
import { findMember, type MemberRow, updateMember, updatePlace } from "../../store/members.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { newEvent } from "../events.js";
import { asOrdinaryCaller } from "../ordinary.js";
import { requireRole, type Standing, standingIn, wholePlace } from "../places/standing.js";
import { GROUPS } from "./group.js";
import { announceMember, notInGroup } from "./member-event.js";

/** Gives a group to another member; see GroupService.TransferGroup. */
export async function transferGroup(ctx: Ctx, caller: Caller, groupId: string, userId: string): Promise<Group> {
  const by = asOrdinaryCaller(caller);
  return await ctx.committer.run(by.appId, async (tx) => {
    const standing = await standingIn(tx.db, GROUPS, groupId, by);
    requireRole(GROUPS, standing, GroupRole.OWNER);
    const { place: old, actorUserId } = standing;
    const heir = await findMember(tx.db, by.appId, old.place, userId);
    if (heir === undefined) throw notInGroup();
    if (userId === old.owner_user_id) return await wholePlace(tx.db, GROUPS, old);
    const owner = await findMember(tx.db, by.appId, old.place, old.owner_user_id);
    if (owner !== undefined) await changeRole(tx, standing, owner, GroupRole.ADMIN);
    await changeRole(tx, standing, heir, GroupRole.OWNER);
    await updatePlace(tx, old.place, { owner_user_id: userId });
    const place = { ...old, owner_user_id: userId };
    const facts = { id: groupId, change: ChangeKind.UPDATED, place: GROUPS.describe(place), actorUserId };
    tx.emit(newEvent(tx.nowMs, [place.place], GROUPS.changed(facts)));
    return await wholePlace(tx.db, GROUPS, place);
  });
}

async function changeRole(tx: Tx, standing: Standing, member: MemberRow, role: GroupRole): Promise<void> {
  await updateMember(tx, standing.place.place, member.user_id, { role });
  announceMember(tx, standing, { ...member, role });
}
