import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Group,
  type GroupMember,
  GroupMemberSchema,
  GroupRole,
  GroupSchema,
  JoinPolicy,
} from "@parley/proto/parley/v1/group_pb.js";
import { idOf } from "../../store/audience.js";
import type { PlaceKind } from "../places/kind.js";
import { unpackStruct } from "../struct.js";

/** Groups as places: an owner who stays, a policy for joining, and a conversation. */
export const GROUPS: PlaceKind<Group, GroupMember> = {
  word: "group",
  idField: "group_id",
  prefix: "g:",
  schema: GroupSchema,
  keepsMessages: true,
  openToView: false,
  ownerStays: true,
  removingRole: GroupRole.ADMIN,
  addingRole: (place) => (place.join_policy === JoinPolicy.APPROVAL ? GroupRole.ADMIN : GroupRole.MEMBER),
  openToJoin: (place) => place.join_policy === JoinPolicy.OPEN,
  async mostMembers(ctx, appId) {
    const app = await ctx.apps.find(appId);
    if (app === undefined) throw new Error("a caller of no app");
    return app.rules.maxGroupMembers;
  },
  describe: (row, memberUserIds = []) =>
    create(GroupSchema, {
      groupId: idOf(row.place),
      name: row.name,
      ownerUserId: row.owner_user_id,
      memberUserIds: [...memberUserIds],
      memberCount: memberUserIds.length || row.member_count,
      attributes: unpackStruct(row.attributes),
      createTime: timestampFromMs(row.create_ms),
      joinPolicy: row.join_policy,
      historyForNewMembers: row.history_for_new_members === 1,
    }),
  mention: (groupId) => create(GroupSchema, { groupId }),
  describeMember: (row, nowMs) =>
    create(GroupMemberSchema, {
      userId: row.user_id,
      role: row.role,
      alias: row.alias,
      attributes: unpackStruct(row.attributes),
      muteUntilTime: row.mute_until_ms > nowMs ? timestampFromMs(row.mute_until_ms) : undefined,
      joinTime: timestampFromMs(row.join_ms),
    }),
  changed: ({ id, change, place, actorUserId }) => ({
    case: "groupChanged",
    value: { groupId: id, change, group: place, actorUserId },
  }),
  membersChanged: ({ id, ...facts }) => ({ case: "groupMemberChanged", value: { groupId: id, ...facts } }),
};
