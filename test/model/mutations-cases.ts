import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { GroupRole, JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import { Platform } from "@parley/proto/parley/v1/installation_pb.js";
import { anonymous, backend, operator, type Rpc, type TestServer, type TestUser } from "../support/index.js";
import {
  must,
  newDevice,
  newGroup,
  newRoom,
  say,
  send,
  subject,
  text,
  toEveryone,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";

/** Three users who do not know each other, and those who may act for or above them. */
export interface World {
  server: TestServer;
  tom: TestUser;
  jerry: TestUser;
  spike: TestUser;
  backend: Rpc & { as(userId: string): Rpc };
  operator: Rpc["operator"];
}

/** Prepares a state and gives the call that is looked at. */
type Prepare = (world: World) => Promise<() => Promise<unknown>>;

export interface Case {
  rpc: string;
  what: string;
  /** How many durable events the three users get, all together. */
  events: number;
  prepare: Prepare;
}

const cases: Case[] = [];
const mutation = (rpc: string, what: string, events: number, prepare: Prepare) =>
  cases.push({ rpc, what, events, prepare });

/** A mutation that by its nature tells nobody: what it changes is nothing that another client shows. */
const silent = (rpc: string, prepare: Prepare, what = "tells nobody") => mutation(rpc, what, 0, prepare);

const befriend = (a: TestUser, b: TestUser) => a.rpc.friend.addFriend({ userId: b.userId });
const data = (value: string) => ({ value });
const twice = async (call: () => Promise<unknown>) => {
  await call();
  return call;
};

// Messages

mutation(
  "MessageService.SendMessage",
  "the first one to a user",
  2,
  async ({ tom, jerry }) =>
    () =>
      send(tom, toUser(jerry.userId), "hello"),
);
mutation("MessageService.SendMessage", "an answer with everything on it", 2, async ({ tom, jerry }) => {
  const first = await say(tom, toUser(jerry.userId), "hello");
  return () =>
    send(jerry, toUser(tom.userId), "hello yourself", {
      replyToMessageId: first.messageId,
      remark: "remark",
      attributes: data("x"),
      mentions: { userIds: [tom.userId], everyone: true },
      push: { title: "push" },
    });
});
mutation(
  "MessageService.SendMessage",
  "to oneself",
  1,
  async ({ tom }) =>
    () =>
      send(tom, toUser(tom.userId), "note"),
);
mutation("MessageService.SendMessage", "to a group", 2, async ({ tom, jerry }) => {
  const group = await newGroup(tom, [jerry]);
  return () => send(jerry, toGroup(group), "hello all");
});
mutation("MessageService.SendMessage", "a repeat", 0, ({ tom, jerry }) =>
  twice(() => send(tom, toUser(jerry.userId), "once", { clientMessageId: "same" })),
);
mutation(
  "MessageService.SendMessage",
  "a transient one",
  0,
  async ({ tom, jerry }) =>
    () =>
      send(tom, toUser(jerry.userId), "fleeting", { transient: true }),
);
mutation("MessageService.SendMessage", "room talk", 0, async ({ tom, jerry }) => {
  const room = await newRoom(tom, [jerry]);
  return () => send(tom, toRoom(room), "in the room");
});
mutation(
  "MessageService.SendMessage",
  "by the backend for a user",
  2,
  async ({ backend, tom, jerry }) =>
    () =>
      backend.as(tom.userId).message.sendMessage({ receiver: toUser(jerry.userId), content: text("for tom") }),
);
mutation("MessageService.SendMessages", "a batch of which a part fails", 7, async ({ tom, jerry }) => {
  const group = await newGroup(tom, [jerry]);
  const one = (receiver: ReturnType<typeof toUser> | ReturnType<typeof toGroup>, words: string) => ({
    receiver,
    content: text(words),
  });
  await tom.rpc.message.sendMessage({ ...one(toUser(jerry.userId), "earlier"), clientMessageId: "same" });
  return () =>
    tom.rpc.message.sendMessages({
      requests: [
        one(toUser(jerry.userId), "one"),
        one(toUser("nobody-of-that-name"), "lost"),
        one(toGroup(group), "two"),
        { ...one(toUser(jerry.userId), "earlier"), clientMessageId: "same" },
        { ...one(toUser(jerry.userId), "other words"), clientMessageId: "same" },
        one(toUser(jerry.userId), "three"),
        one(toUser(tom.userId), "to myself"),
      ],
    });
});
silent(
  "MessageService.SetTyping",
  async ({ tom, jerry }) =>
    () =>
      tom.rpc.message.setTyping({ peer: toUser(jerry.userId), typing: true }),
);
silent("MessageService.AckEvents", async ({ tom }) => {
  const { cursor } = await tom.rpc.message.listEvents({});
  return () => tom.rpc.message.ackEvents({ cursor });
});
silent("MessageService.PauseSession", async ({ tom, jerry }) => {
  await befriend(tom, jerry);
  return () => tom.rpc.message.pauseSession({});
});

// Read markers

mutation("ConversationService.MarkRead", "a part of what came", 2, async ({ tom, jerry }) => {
  for (const words of ["one", "two", "three"]) await say(tom, toUser(jerry.userId), words);
  return () => jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq: 2 });
});
mutation("ConversationService.MarkRead", "all, beyond the head", 2, async ({ tom, jerry }) => {
  for (const words of ["one", "two"]) await say(tom, toUser(jerry.userId), words);
  await say(jerry, toUser(tom.userId), "three");
  return () => jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq: 99 });
});
mutation("ConversationService.MarkRead", "of a group, by one member", 1, async ({ tom, jerry, spike }) => {
  const group = await newGroup(tom, [jerry, spike]);
  await say(tom, toGroup(group), "one");
  return () => spike.rpc.conversation.markRead({ peer: toGroup(group) });
});
mutation("ConversationService.MarkRead", "of the system's words", 1, async ({ backend, jerry }) => {
  await backend.admin.sendSystemMessage({ receiver: toUser(jerry.userId), content: text("notice") });
  return () => jerry.rpc.conversation.markRead({ peer: { peer: { case: "system", value: {} } } });
});
mutation(
  "ConversationService.MarkRead",
  "backwards, again, and where nothing was said",
  0,
  async ({ tom, jerry, spike }) => {
    for (const words of ["one", "two"]) await say(tom, toUser(jerry.userId), words);
    await jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq: 2 });
    return async () => {
      await jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq: 1 });
      await jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq: 2 });
      await jerry.rpc.conversation.markRead({ peer: toUser(spike.userId) });
    };
  },
);

// Friends

mutation(
  "FriendService.AddFriend",
  "a stranger",
  2,
  async ({ tom, jerry }) =>
    () =>
      befriend(tom, jerry),
);
mutation("FriendService.AddFriend", "one to whom was spoken before", 2, async ({ tom, jerry }) => {
  await say(tom, toUser(jerry.userId), "hello");
  await jerry.rpc.user.updateUser({ displayName: "Jerry", attributes: data("mouse") });
  return () => befriend(tom, jerry);
});
mutation("FriendService.AddFriend", "a friend", 0, ({ tom, jerry }) => twice(() => befriend(tom, jerry)));
mutation("FriendService.RemoveFriend", "a friend", 2, async ({ tom, jerry, spike }) => {
  await befriend(tom, jerry);
  await befriend(tom, spike);
  return () => jerry.rpc.friend.removeFriend({ userId: tom.userId });
});
mutation("FriendService.RemoveFriend", "none, and nobody", 0, async ({ tom, jerry }) => async () => {
  await tom.rpc.friend.removeFriend({ userId: jerry.userId });
  await tom.rpc.friend.removeFriend({ userId: "nobody-of-that-name" });
});

// Users

mutation("UserService.UpdateUser", "one's profile", 2, async ({ tom, jerry }) => {
  await befriend(tom, jerry);
  return () =>
    tom.rpc.user.updateUser({ displayName: "Tom", avatarUrl: "https://example.com/tom.png", attributes: data("cat") });
});
mutation("UserService.UpdateUser", "to what it is, or not at all", 0, async ({ tom, jerry }) => {
  await befriend(tom, jerry);
  await tom.rpc.user.updateUser({ displayName: "Tom", attributes: data("cat") });
  return async () => {
    await tom.rpc.user.updateUser({ displayName: "Tom", attributes: data("cat") });
    await tom.rpc.user.updateUser({});
  };
});
mutation(
  "AdminService.BatchUpsertUsers",
  "some new, some changed, some as they were",
  3,
  async ({ backend, tom, jerry, spike }) => {
    await befriend(tom, jerry);
    const upsert = (userId: string, displayName: string) => ({ userId, displayName });
    await backend.admin.batchUpsertUsers({ users: [upsert(spike.userId, "Spike")] });
    return () =>
      backend.admin
        .batchUpsertUsers({
          users: [
            upsert(tom.userId, "Tomcat"),
            upsert(subject("new"), "New"),
            upsert(spike.userId, "Spike"),
            { userId: spike.userId === "" ? "" : subject("bare") },
            { userId: jerry.userId },
          ].concat({ ...upsert(subject("other"), "Other") }),
        })
        .then(() => backend.admin.batchUpsertUsers({ users: [{ userId: spike.userId, attributes: data("dog") }] }));
  },
);

// Groups

mutation(
  "GroupService.CreateGroup",
  "with everything",
  3,
  async ({ tom, jerry, spike }) =>
    () =>
      tom.rpc.group.createGroup({
        name: "friends",
        memberUserIds: [spike.userId, jerry.userId, tom.userId],
        attributes: data("x"),
        joinPolicy: JoinPolicy.APPROVAL,
        historyForNewMembers: true,
      }),
);
mutation(
  "GroupService.CreateGroup",
  "by the backend alone",
  2,
  async ({ backend, tom, jerry }) =>
    () =>
      backend.group.createGroup({ memberUserIds: [jerry.userId, tom.userId] }),
);
mutation("GroupService.CreateGroup", "a repeat", 0, ({ tom, jerry }) =>
  twice(() => tom.rpc.group.createGroup({ memberUserIds: [jerry.userId], requestId: "same" })),
);
mutation("GroupService.UpdateGroup", "all its fields", 2, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () =>
    tom.rpc.group.updateGroup({
      groupId,
      name: "renamed",
      attributes: data("y"),
      joinPolicy: JoinPolicy.INVITE,
      historyForNewMembers: true,
    });
});
mutation(
  "GroupService.UpdateGroup",
  "so that a late member may read what was said before",
  2,
  async ({ tom, jerry }) => {
    const groupId = await newGroup(tom, []);
    for (const words of ["one", "two"]) await say(tom, toGroup(groupId), words);
    await jerry.rpc.group.joinGroup({ groupId });
    await say(tom, toGroup(groupId), "three");
    return () => tom.rpc.group.updateGroup({ groupId, historyForNewMembers: true });
  },
);
mutation("GroupService.UpdateGroup", "to what it is", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.updateGroup({ groupId, name: "group" });
});
mutation("GroupService.DeleteGroup", "with all that was said", 2, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  await say(tom, toGroup(groupId), "gone soon");
  return () => tom.rpc.group.deleteGroup({ groupId });
});
mutation(
  "GroupService.AddGroupMembers",
  "a new one and a present one, after something was said",
  3,
  async ({ tom, jerry, spike }) => {
    const groupId = await newGroup(tom, [jerry]);
    await say(tom, toGroup(groupId), "before");
    return () => tom.rpc.group.addGroupMembers({ groupId, userIds: [spike.userId, jerry.userId, spike.userId] });
  },
);
mutation("GroupService.AddGroupMembers", "and then words", 6, async ({ tom, jerry, spike }) => {
  const groupId = await newGroup(tom, [jerry], { historyForNewMembers: true });
  await say(tom, toGroup(groupId), "before");
  return async () => {
    await jerry.rpc.group.addGroupMembers({ groupId, userIds: [spike.userId] });
    await say(jerry, toGroup(groupId), "after");
  };
});
mutation("GroupService.AddGroupMembers", "only present ones", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.addGroupMembers({ groupId, userIds: [jerry.userId] });
});
mutation("GroupService.RemoveGroupMembers", "one of two, with words unread", 3, async ({ tom, jerry, spike }) => {
  const groupId = await newGroup(tom, [jerry, spike]);
  await say(tom, toGroup(groupId), "unread");
  return () => tom.rpc.group.removeGroupMembers({ groupId, userIds: [jerry.userId, "nobody-of-that-name"] });
});
mutation("GroupService.RemoveGroupMembers", "none that is there", 0, async ({ tom, jerry, spike }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.removeGroupMembers({ groupId, userIds: [spike.userId] });
});
mutation("GroupService.ReplaceGroupMembers", "one against another", 4, async ({ tom, jerry, spike }) => {
  const groupId = await newGroup(tom, [jerry]);
  await say(tom, toGroup(groupId), "before");
  return () => tom.rpc.group.replaceGroupMembers({ groupId, userIds: [spike.userId] });
});
mutation("GroupService.ReplaceGroupMembers", "with those that are there", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.replaceGroupMembers({ groupId, userIds: [jerry.userId, tom.userId] });
});
mutation("GroupService.UpdateGroupMember", "role, alias, data and mute", 2, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () =>
    tom.rpc.group.updateGroupMember({
      groupId,
      userId: jerry.userId,
      role: GroupRole.ADMIN,
      alias: "the mouse",
      attributes: data("z"),
      muteUntilTime: timestampFromMs(Date.now() + 3_600_000),
    });
});
mutation("GroupService.UpdateGroupMember", "to what it is", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  const call = () => tom.rpc.group.updateGroupMember({ groupId, userId: jerry.userId, alias: "mouse" });
  return twice(call);
});
mutation("GroupService.TransferGroup", "to a member", 6, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.transferGroup({ groupId, userId: jerry.userId });
});
mutation("GroupService.TransferGroup", "to its owner", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.transferGroup({ groupId, userId: tom.userId });
});
mutation("GroupService.JoinGroup", "as a new member", 2, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, []);
  await say(tom, toGroup(groupId), "before");
  return () => jerry.rpc.group.joinGroup({ groupId });
});
mutation("GroupService.JoinGroup", "for the second time", 3, async ({ tom, jerry, spike }) => {
  const groupId = await newGroup(tom, [jerry, spike]);
  await say(tom, toGroup(groupId), "before");
  await jerry.rpc.group.leaveGroup({ groupId });
  await say(tom, toGroup(groupId), "meanwhile");
  return () => jerry.rpc.group.joinGroup({ groupId });
});
mutation("GroupService.JoinGroup", "as a member", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => jerry.rpc.group.joinGroup({ groupId });
});
mutation("GroupService.LeaveGroup", "with words unread", 2, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  await say(tom, toGroup(groupId), "unread");
  return () => jerry.rpc.group.leaveGroup({ groupId });
});
mutation("GroupService.LeaveGroup", "as no member", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, []);
  return () => jerry.rpc.group.leaveGroup({ groupId });
});

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
  twice(() => tom.rpc.room.createRoom({ memberUserIds: [jerry.userId], requestId: "same" })),
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
  twice(() =>
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

/** Every mutating RPC at work. */
export const CASES: readonly Case[] = cases;

/** Three new users. */
export async function newWorld(server: TestServer, users: TestUser[]): Promise<World> {
  const [tom, jerry, spike] = users;
  return {
    server,
    tom: must(tom),
    jerry: must(jerry),
    spike: must(spike),
    backend: backend(server),
    operator: operator(server),
  };
}
