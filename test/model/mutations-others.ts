import { Platform } from "@parley/proto/parley/v1/installation_pb.js";
import { anonymous } from "../support/index.js";
import {
  must,
  newDevice,
  newGroup,
  newRoom,
  say,
  subject,
  text,
  toEveryone,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";
import { caseList, data, repeated } from "./mutations-case.js";

const { cases, mutation, silent } = caseList();

/** Rooms, the backend, sessions and the operator. */
export const OTHERS = cases;

// Rooms

mutation(
  "RoomService.CreateRoom",
  "with members",
  3,
  async ({ tom, jerry, spike }) =>
    () =>
      tom.rpc.room.createRoom({ name: "room", memberUserIds: [spike.userId, jerry.userId], attributes: data("x") }),
);
mutation(
  "RoomService.CreateRoom",
  "by the backend alone",
  1,
  async ({ backend, tom }) =>
    () =>
      backend.room.createRoom({ memberUserIds: [tom.userId] }),
);
mutation("RoomService.CreateRoom", "a repeat", 0, ({ tom, jerry }) =>
  repeated(() => tom.rpc.room.createRoom({ memberUserIds: [jerry.userId], requestId: "same" })),
);
mutation("RoomService.UpdateRoom", "its fields", 2, async ({ tom, jerry }) => {
  const roomId = await newRoom(tom, [jerry]);
  return () => tom.rpc.room.updateRoom({ roomId, name: "renamed", attributes: data("y") });
});
mutation("RoomService.UpdateRoom", "to what it is", 0, async ({ tom, jerry }) => {
  const roomId = await newRoom(tom, [jerry]);
  return () => tom.rpc.room.updateRoom({ roomId, name: "room" });
});
mutation("RoomService.DeleteRoom", "with members", 2, async ({ tom, jerry }) => {
  const roomId = await newRoom(tom, [jerry]);
  return () => tom.rpc.room.deleteRoom({ roomId });
});
mutation("RoomService.AddRoomMembers", "a new one and a present one", 3, async ({ tom, jerry, spike }) => {
  const roomId = await newRoom(tom, [jerry]);
  return () => jerry.rpc.room.addRoomMembers({ roomId, userIds: [jerry.userId, spike.userId] });
});
mutation("RoomService.RemoveRoomMembers", "one, and one that is not there", 3, async ({ tom, jerry, spike }) => {
  const roomId = await newRoom(tom, [jerry, spike]);
  return () => tom.rpc.room.removeRoomMembers({ roomId, userIds: [spike.userId, "nobody-of-that-name"] });
});
mutation("RoomService.ReplaceRoomMembers", "one against another", 4, async ({ tom, jerry, spike }) => {
  const roomId = await newRoom(tom, [jerry]);
  return () => tom.rpc.room.replaceRoomMembers({ roomId, userIds: [spike.userId] });
});
mutation("RoomService.JoinRoom", "as a new member", 2, async ({ tom, jerry }) => {
  const roomId = await newRoom(tom, []);
  return () => jerry.rpc.room.joinRoom({ roomId });
});
mutation("RoomService.JoinRoom", "as a member", 0, async ({ tom, jerry }) => {
  const roomId = await newRoom(tom, [jerry]);
  return () => jerry.rpc.room.joinRoom({ roomId });
});
mutation("RoomService.LeaveRoom", "as its creator", 2, async ({ tom, jerry }) => {
  const roomId = await newRoom(tom, [jerry]);
  return () => tom.rpc.room.leaveRoom({ roomId });
});
mutation("RoomService.LeaveRoom", "as no member", 0, async ({ tom, jerry }) => {
  const roomId = await newRoom(tom, []);
  return () => jerry.rpc.room.leaveRoom({ roomId });
});

// The backend

mutation(
  "AdminService.SendSystemMessage",
  "to a user",
  1,
  async ({ backend, jerry }) =>
    () =>
      backend.admin.sendSystemMessage({
        receiver: toUser(jerry.userId),
        content: text("notice"),
        attributes: data("x"),
      }),
);
mutation("AdminService.SendSystemMessage", "to a group, not counting", 2, async ({ backend, tom, jerry }) => {
  const group = await newGroup(tom, [jerry]);
  await say(tom, toGroup(group), "before");
  const content = { content: { case: "notice" as const, value: { type: "joined", text: "Jerry joined" } } };
  return () => backend.admin.sendSystemMessage({ receiver: toGroup(group), content });
});
mutation(
  "AdminService.SendSystemMessage",
  "to everyone",
  3,
  async ({ backend }) =>
    () =>
      backend.admin.sendSystemMessage({ receiver: toEveryone, content: text("to all") }),
);
mutation("AdminService.SendSystemMessage", "to a room", 0, async ({ backend, tom }) => {
  const room = await newRoom(tom, []);
  return () => backend.admin.sendSystemMessage({ receiver: toRoom(room), content: text("in the room") });
});
mutation("AdminService.SendSystemMessage", "a repeat", 0, ({ backend, jerry }) =>
  repeated(() =>
    backend.admin.sendSystemMessage({
      receiver: toUser(jerry.userId),
      content: text("once"),
      clientMessageId: jerry.userId.slice(-40),
    }),
  ),
);
silent(
  "AdminService.CreateSession",
  async ({ backend, tom }) =>
    () =>
      backend.admin.createSession({ userId: tom.userId }),
);
silent(
  "AdminService.SetTokenKeys",
  async ({ backend }) =>
    () =>
      backend.admin.setTokenKeys({ keys: [] }),
);
silent(
  "AdminService.CreateServiceKey",
  async ({ backend }) =>
    () =>
      backend.admin.createServiceKey({ name: "key" }),
);
silent("AdminService.RevokeServiceKey", async ({ backend }) => {
  const { record } = await backend.admin.createServiceKey({ name: "key" });
  return () => backend.admin.revokeServiceKey({ serviceKeyId: must(record).serviceKeyId });
});
silent(
  "AdminService.UpdateSettings",
  async ({ backend }) =>
    () =>
      backend.admin.updateSettings({ settings: { allowStrangerMessages: true } }),
);

// Sessions: what a session hears of its own end is looked at apart.

silent("AuthService.CreateAccount", async ({ server }) => () => {
  const { appId, clientKey } = server;
  return anonymous(server).auth.createAccount({ appId, clientKey, username: subject("name"), password: "secret" });
});
silent(
  "AuthService.Login",
  async ({ server, tom }) =>
    () =>
      anonymous(server).auth.login({
        appId: server.appId,
        clientKey: server.clientKey,
        credential: { case: "bareId", value: { userId: tom.userId } },
        installation: { installationId: subject("i"), platform: Platform.WEB },
      }),
);
silent(
  "AuthService.Logout",
  async ({ server, tom }) => {
    const device = await newDevice(server, tom);
    return () => device.rpc.auth.logout({});
  },
  "of one device tells the others nothing",
);
silent(
  "AuthService.RevokeSession",
  async ({ server, tom }) => {
    const { sessionId } = await newDevice(server, tom);
    return () => tom.rpc.auth.revokeSession({ sessionId });
  },
  "of one device tells the others nothing",
);

// The operator

silent(
  "OperatorService.CreateApp",
  async ({ operator }) =>
    () =>
      operator.createApp({ name: "another" }),
);
silent(
  "OperatorService.UpdateApp",
  async ({ operator, server }) =>
    () =>
      operator.updateApp({ appId: server.appId, name: "renamed" }),
);
silent("OperatorService.RotateClientKey", async ({ operator }) => {
  const { app } = await operator.createApp({ name: "another" });
  return () => operator.rotateClientKey({ appId: must(app).appId });
});
silent(
  "OperatorService.CreateAppServiceKey",
  async ({ operator, server }) =>
    () =>
      operator.createAppServiceKey({ appId: server.appId, name: "key" }),
);
silent("OperatorService.RevokeAppServiceKey", async ({ operator, server }) => {
  const { record } = await operator.createAppServiceKey({ appId: server.appId, name: "key" });
  return () => operator.revokeAppServiceKey({ appId: server.appId, serviceKeyId: must(record).serviceKeyId });
});
