import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type GroupMember, GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import type { UpdateGroupMemberRequest } from "@parley/proto/parley/v1/group_service_pb.js";
import { findMember, type MemberRow, updateMember } from "../../store/members.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { invalidField } from "../errors.js";
import { screenName } from "../filter/screen.js";
import { asOrdinaryCaller } from "../ordinary.js";
import { requireMember, requireRole, type Standing, standingIn } from "../places/standing.js";
import { sameStruct } from "../same-struct.js";
import { packStruct } from "../struct.js";
import { GROUPS } from "./group.js";
import { announceMember, notInGroup } from "./member-event.js";

/** Changes one membership; see GroupService.UpdateGroupMember. */
export async function updateGroupMember(
  ctx: Ctx,
  caller: Caller,
  request: UpdateGroupMemberRequest,
): Promise<GroupMember> {
  const by = asOrdinaryCaller(caller);
  if (request.role === GroupRole.OWNER)
    throw invalidField("role", "a group is given to its new owner by TransferGroup");
  const alias = await screenName(ctx, by, "alias", request.alias);
  const attributes = packStruct(ctx.limits, "attributes", request.attributes);
  return await ctx.committer.run(by.appId, async (tx) => {
    const standing = await standingIn(tx.db, GROUPS, request.groupId, by);
    requireMember(GROUPS, standing);
    const old = await findMember(tx.db, by.appId, standing.place.place, request.userId);
    if (old === undefined) throw notInGroup();
    checkRights(standing, old, request);
    const change = changeOf(old, { ...request, alias }, attributes, tx.nowMs);
    const member = { ...old, ...change };
    if (Object.keys(change).length > 0) {
      await updateMember(tx, standing.place.place, request.userId, change);
      announceMember(tx, standing, member);
    }
    return GROUPS.describeMember(member, tx.nowMs);
  });
}

function checkRights(standing: Standing, target: MemberRow, request: UpdateGroupMemberRequest): void {
  if (request.role !== GroupRole.UNSPECIFIED) {
    requireRole(GROUPS, standing, GroupRole.OWNER, "role");
    if (target.role === GroupRole.OWNER)
      throw invalidField("role", "the owner stays the owner until TransferGroup names another");
  }
  // Admins mute ordinary members only, or one could lift its own mute.
  if (request.muteUntilTime !== undefined) {
    const needed = target.role >= GroupRole.ADMIN ? GroupRole.OWNER : GroupRole.ADMIN;
    requireRole(GROUPS, standing, needed, "mute_until_time");
  }
  if (target.user_id === standing.actorUserId) return;
  if (request.alias !== undefined) requireRole(GROUPS, standing, GroupRole.ADMIN, "alias");
  if (request.attributes !== undefined) requireRole(GROUPS, standing, GroupRole.ADMIN, "attributes");
}

// The last millisecond a google.protobuf.Timestamp can name.
const END_OF_TIME_MS = 253_402_300_799_999;

function changeOf(
  old: MemberRow,
  request: Omit<UpdateGroupMemberRequest, "alias"> & { alias: string | undefined },
  attributes: Buffer | null,
  nowMs: number,
) {
  const change: Partial<Pick<MemberRow, "role" | "alias" | "attributes" | "mute_until_ms">> = {};
  const { role, alias, muteUntilTime } = request;
  if (role !== GroupRole.UNSPECIFIED && role !== old.role) change.role = role;
  if (alias !== undefined && alias !== old.alias) change.alias = alias;
  if (request.attributes !== undefined && !sameStruct(attributes, old.attributes)) change.attributes = attributes;
  if (muteUntilTime !== undefined) {
    const untilMs = Math.min(timestampMs(muteUntilTime), END_OF_TIME_MS);
    const [was, is] = [old.mute_until_ms, untilMs].map((ms) => (ms > nowMs ? ms : 0));
    if (is !== undefined && is !== was) change.mute_until_ms = is;
  }
  return change;
}
