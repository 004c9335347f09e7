import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { type Room, type RoomMember, RoomMemberSchema, RoomSchema } from "@parley/proto/parley/v1/room_pb.js";
import { idOf } from "../../store/audience.js";
import type { PlaceKind } from "../places/kind.js";
import { unpackStruct } from "../struct.js";

/** Rooms as places: open to all, with a creator who may go, and nothing kept of what is said. */
export const ROOMS: PlaceKind<Room, RoomMember> = {
  word: "room",
  idField: "room_id",
  prefix: "r:",
  schema: RoomSchema,
  keepsMessages: false,
  openToView: true,
  ownerStays: false,
  removingRole: GroupRole.OWNER,
  addingRole: () => GroupRole.MEMBER,
  openToJoin: () => true,
  async mostMembers(ctx, appId) {
    const app = await ctx.apps.find(appId);
    if (app === undefined) throw new Error("a caller of no app");
    return Math.min(app.rules.maxRoomMembers, ctx.limits.roomMembers);
  },
  describe: (row, memberUserIds = []) =>
    create(RoomSchema, {
      roomId: idOf(row.place),
      name: row.name,
      creatorUserId: row.owner_user_id,
      memberUserIds: [...memberUserIds],
      memberCount: memberUserIds.length || row.member_count,
      attributes: unpackStruct(row.attributes),
      createTime: timestampFromMs(row.create_ms),
    }),
  mention: (roomId) => create(RoomSchema, { roomId }),
  describeMember: (row) =>
    create(RoomMemberSchema, {
      userId: row.user_id,
      joinTime: timestampFromMs(row.join_ms),
      attributes: unpackStruct(row.attributes),
    }),
  changed: ({ id, change, place, actorUserId }) => ({
    case: "roomChanged",
    value: { roomId: id, change, room: place, actorUserId },
  }),
  membersChanged: ({ id, ...facts }) => ({ case: "roomMemberChanged", value: { roomId: id, ...facts } }),
};
