import type { JsonObject } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SERVICES } from "../../server/src/rpc/router.js";
import {
  anonymous,
  backend,
  login,
  newUser,
  operator,
  type Rpc,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
  withToken,
} from "../support/index.js";
import {
  eventsAfter,
  must,
  newGroup,
  newPair,
  newRoom,
  newUsers,
  otherApp,
  say,
  says,
  text,
  textsOf,
  toEveryone,
  toGroup,
  toRoom,
  toSystem,
  toUser,
} from "../support/messaging.js";

let server: TestServer;
let other: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  other = await otherApp(server);
});
afterAll(() => server.close());

/** The ids of the things of one app that another app's users may try. */
interface Ids {
  user: string;
  user2: string;
  group: string;
  room: string;
  message: string;
  session: string;
  key: string;
}

/** A group and a room of the caller's own, to try foreign users on. */
interface Own {
  me: string;
  group: string;
  room: string;
}

async function furnish(app: TestServer) {
  const [tom, jerry] = await newPair(app);
  await tom.rpc.friend.addFriend({ userId: jerry.userId });
  const ids: Ids = {
    user: tom.userId,
    user2: jerry.userId,
    group: await newGroup(tom, [jerry]),
    room: await newRoom(tom, [jerry]),
    message: (await say(tom, toUser(jerry.userId), "secret")).messageId,
    session: tom.sessionId,
    key: must((await backend(app).admin.createServiceKey({ name: "k" })).record).serviceKeyId,
  };
  await say(tom, toGroup(ids.group), "secret");
  return { tom, jerry, ids };
}

const unknown: Ids = {
  user: "no-1",
  user2: "no-2",
  group: "no-3",
  room: "no-4",
  message: "no-5",
  session: "no-6",
  key: "no-7",
};

type Call = (rpc: Rpc, ids: Ids, own: Own) => Promise<unknown>;

/** Every call that takes an id, for users and for the backend alike where both may make it. */
const calls: Record<string, Call> = {
  GetUser: (rpc, { user }) => rpc.user.getUser({ userId: user }),
  BatchGetUsers: (rpc, { user, user2 }) => rpc.user.batchGetUsers({ userIds: [user, user2] }),
  GetPresence: (rpc, { user }) => rpc.user.getPresence({ userId: user }),
  BatchGetPresence: (rpc, { user, user2 }) => rpc.user.batchGetPresence({ userIds: [user, user2] }),
  AddFriend: (rpc, { user }) => rpc.friend.addFriend({ userId: user }),
  RemoveFriend: (rpc, { user }) => rpc.friend.removeFriend({ userId: user }),
  GetFriend: (rpc, { user }) => rpc.friend.getFriend({ userId: user }),
  "SendMessage to a user": (rpc, { user }) => rpc.message.sendMessage({ receiver: toUser(user), content: text("x") }),
  "SendMessage to a group": (rpc, { group }) =>
    rpc.message.sendMessage({ receiver: toGroup(group), content: text("x") }),
  "SendMessage to a room": (rpc, { room }) => rpc.message.sendMessage({ receiver: toRoom(room), content: text("x") }),
  "SendMessage, transient": (rpc, { user }) =>
    rpc.message.sendMessage({ receiver: toUser(user), content: text("x"), transient: true }),
  "SendMessage in reply": (rpc, { message }, { group }) =>
    rpc.message.sendMessage({ receiver: toGroup(group), content: text("x"), replyToMessageId: message }),
  SendMessages: (rpc, { user, group }) =>
    rpc.message.sendMessages({
      requests: [toUser(user), toGroup(group)].map((receiver) => ({ receiver, content: text("x") })),
    }),
  "SetTyping to a user": (rpc, { user }) => rpc.message.setTyping({ peer: toUser(user), typing: true }),
  "SetTyping in a group": (rpc, { group }) => rpc.message.setTyping({ peer: toGroup(group), typing: true }),
  "SetTyping in a room": (rpc, { room }) => rpc.message.setTyping({ peer: toRoom(room), typing: true }),
  "ListMessages with a user": (rpc, { user }) => rpc.history.listMessages({ peer: toUser(user) }),
  "ListMessages of a group": (rpc, { group }) => rpc.history.listMessages({ peer: toGroup(group) }),
  GetMessage: (rpc, { message }) => rpc.history.getMessage({ messageId: message }),
  "GetConversation with a user": (rpc, { user }) => rpc.conversation.getConversation({ peer: toUser(user) }),
  "GetConversation of a group": (rpc, { group }) => rpc.conversation.getConversation({ peer: toGroup(group) }),
  "MarkRead with a user": (rpc, { user }) => rpc.conversation.markRead({ peer: toUser(user) }),
  "MarkRead in a group": (rpc, { group }) => rpc.conversation.markRead({ peer: toGroup(group) }),
  RevokeSession: (rpc, { session }) => rpc.auth.revokeSession({ sessionId: session }),
  "CreateGroup with members": (rpc, { user }) => rpc.group.createGroup({ memberUserIds: [user] }),
  GetGroup: (rpc, { group }) => rpc.group.getGroup({ groupId: group }),
  UpdateGroup: (rpc, { group }) => rpc.group.updateGroup({ groupId: group, name: "x" }),
  DeleteGroup: (rpc, { group }) => rpc.group.deleteGroup({ groupId: group }),
  AddGroupMembers: (rpc, { group, user2 }) => rpc.group.addGroupMembers({ groupId: group, userIds: [user2] }),
  "AddGroupMembers of one's own": (rpc, { user }, { group }) =>
    rpc.group.addGroupMembers({ groupId: group, userIds: [user] }),
  RemoveGroupMembers: (rpc, { group, user2 }) => rpc.group.removeGroupMembers({ groupId: group, userIds: [user2] }),
  "RemoveGroupMembers of one's own": (rpc, { user }, { group }) =>
    rpc.group.removeGroupMembers({ groupId: group, userIds: [user] }),
  ReplaceGroupMembers: (rpc, { group, user2 }) => rpc.group.replaceGroupMembers({ groupId: group, userIds: [user2] }),
  "ReplaceGroupMembers of one's own": (rpc, { user }, { group }) =>
    rpc.group.replaceGroupMembers({ groupId: group, userIds: [user] }),
  ListGroupMembers: (rpc, { group }) => rpc.group.listGroupMembers({ groupId: group }),
  UpdateGroupMember: (rpc, { group, user2 }) =>
    rpc.group.updateGroupMember({ groupId: group, userId: user2, role: GroupRole.ADMIN }),
  "UpdateGroupMember of one's own": (rpc, { user }, { group }) =>
    rpc.group.updateGroupMember({ groupId: group, userId: user, alias: "x" }),
  TransferGroup: (rpc, { group, user2 }) => rpc.group.transferGroup({ groupId: group, userId: user2 }),
  "TransferGroup of one's own": (rpc, { user }, { group }) => rpc.group.transferGroup({ groupId: group, userId: user }),
  JoinGroup: (rpc, { group }) => rpc.group.joinGroup({ groupId: group }),
  LeaveGroup: (rpc, { group }) => rpc.group.leaveGroup({ groupId: group }),
  "CreateRoom with members": (rpc, { user }) => rpc.room.createRoom({ memberUserIds: [user] }),
  GetRoom: (rpc, { room }) => rpc.room.getRoom({ roomId: room }),
  UpdateRoom: (rpc, { room }) => rpc.room.updateRoom({ roomId: room, name: "x" }),
  DeleteRoom: (rpc, { room }) => rpc.room.deleteRoom({ roomId: room }),
  AddRoomMembers: (rpc, { room, user2 }) => rpc.room.addRoomMembers({ roomId: room, userIds: [user2] }),
  "AddRoomMembers of one's own": (rpc, { user }, { room }) =>
    rpc.room.addRoomMembers({ roomId: room, userIds: [user] }),
  RemoveRoomMembers: (rpc, { room, user2 }) => rpc.room.removeRoomMembers({ roomId: room, userIds: [user2] }),
  ReplaceRoomMembers: (rpc, { room, user2 }) => rpc.room.replaceRoomMembers({ roomId: room, userIds: [user2] }),
  "ReplaceRoomMembers of one's own": (rpc, { user }, { room }) =>
    rpc.room.replaceRoomMembers({ roomId: room, userIds: [user] }),
  ListRoomMembers: (rpc, { room }) => rpc.room.listRoomMembers({ roomId: room }),
  JoinRoom: (rpc, { room }) => rpc.room.joinRoom({ roomId: room }),
  LeaveRoom: (rpc, { room }) => rpc.room.leaveRoom({ roomId: room }),
  RevokeServiceKey: (rpc, { key }) => rpc.admin.revokeServiceKey({ serviceKeyId: key }),
  "SendSystemMessage to a user": (rpc, { user }) =>
    rpc.admin.sendSystemMessage({ receiver: toUser(user), content: text("x") }),
  "SendSystemMessage to a group": (rpc, { group }) =>
    rpc.admin.sendSystemMessage({ receiver: toGroup(group), content: text("x") }),
  "SendSystemMessage to a room": (rpc, { room }) =>
    rpc.admin.sendSystemMessage({ receiver: toRoom(room), content: text("x") }),
};

/** What a call answered, in a form in which the ids that were asked for make no difference. */
async function outcome(call: Call, rpc: Rpc, ids: Ids, own: Own): Promise<string> {
  const answer = await call(rpc, ids, own).then(
    (value) => ({ value }),
    async (error: unknown) => {
      if (!(error instanceof ConnectError)) throw error;
      const { code, reason, field, message, detail } = await refusal(Promise.reject(error));
      const { request_id: _, ...metadata } = detail.metadata;
      return { code, reason, field, message, metadata, retryable: detail.retryable };
    },
  );
  let json = JSON.stringify(answer, (key, value: unknown) =>
    key === "request_id" || typeof value === "bigint" || key === "seq" || key === "createTime" ? undefined : value,
  );
  for (const [name, id] of Object.entries(ids)) json = json.replaceAll(id, `<${name}>`);
  for (const [name, id] of Object.entries(own)) json = json.replaceAll(id, `<own ${name}>`);
  return json;
}

test("no call that takes an id is forgotten above", () => {
  // These make what the id names, or belong to the operator, who is above all apps.
  const others = ["CreateAccount", "Login", "CreateSession", "BatchUpsertUsers"];
  const takes = /^(peer|receiver|requests|(member_)?user_ids?|(group|room|message|session|service_key)_id)$/;
  const methods = SERVICES.filter((service) => service.name !== "OperatorService").flatMap(
    (service) => service.methods,
  );
  const missing = methods
    .filter((method) => method.input.fields.some((field) => takes.test(field.name)) && !others.includes(method.name))
    .filter((method) => !Object.keys(calls).some((name) => name.split(/[ ,]/)[0] === method.name));
  expect(missing.map((method) => method.name)).toEqual([]);
});

describe("I8: what another app has is as good as not there", () => {
  for (const [name, call] of Object.entries(calls))
    test(name, async () => {
      const { tom: theirTom, jerry: theirJerry, ids } = await furnish(other);
      const cursors = await Promise.all([theirTom, theirJerry].map((user) => user.rpc.message.listEvents({})));
      const before = await stateOf(theirTom, ids);
      const makers = async () => {
        const user = await newUser(server);
        return { user, own: { me: user.userId, group: await newGroup(user, []), room: await newRoom(user, []) } };
      };
      const [a, b] = [await makers(), await makers()];
      const asUser = [await outcome(call, a.user.rpc, ids, a.own), await outcome(call, b.user.rpc, unknown, b.own)];
      expect(asUser[0]).toBe(asUser[1]);
      const service = backend(server);
      const asBackend = [await outcome(call, service, ids, a.own), await outcome(call, service, unknown, b.own)];
      expect(asBackend[0]).toBe(asBackend[1]);
      // And nothing happened over there.
      for (const [at, user] of [theirTom, theirJerry].entries())
        expect((await eventsAfter(user.rpc, must(cursors[at]).cursor)).events).toEqual([]);
      expect(await stateOf(theirTom, ids)).toEqual(before);
    });
});

/** All that the other app's owner can see of its things. */
async function stateOf({ rpc }: TestUser, ids: Ids): Promise<JsonObject> {
  const found = await Promise.all([
    rpc.group.getGroup({ groupId: ids.group }),
    rpc.room.getRoom({ roomId: ids.room }),
    rpc.friend.listFriends({ view: View.BASIC }),
    rpc.conversation.listConversations({}).then(({ conversations }) => conversations),
    rpc.auth.listSessions({}),
    backend(other)
      .admin.listServiceKeys({ pageSize: 100 })
      .then(({ serviceKeys }) => serviceKeys.find((key) => key.serviceKeyId === ids.key)),
  ]);
  return JSON.parse(
    JSON.stringify(found, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
  ) as JsonObject;
}

describe("the same names in two apps", () => {
  test("one user id is two users, who share nothing", async () => {
    const [here] = await newUsers(server, ["twin"]);
    const tom = must(here);
    const twin = await login(other, tom.userId);
    const [jerry, theirs] = [await newUser(server), await newUser(other)];
    const streams = [await subscribe(tom), await subscribe(twin)];
    await say(jerry, toUser(tom.userId), "here", { clientMessageId: "one-id" });
    await say(theirs, toUser(tom.userId), "there", { clientMessageId: "one-id" });
    await say(tom, toUser(tom.userId), "mine", { clientMessageId: "one-id" });
    expect(await say(twin, toUser(tom.userId), "mine too", { clientMessageId: "one-id" })).toMatchObject({ seq: 1 });
    await backend(server).admin.sendSystemMessage({ receiver: toEveryone, content: text("all here") });
    await backend(other).admin.sendSystemMessage({ receiver: toEveryone, content: text("all there") });
    await streams[0]?.event(says("all here"));
    await streams[1]?.event(says("all there"));
    expect(streams.map((stream) => textsOf(stream.events()))).toEqual([
      ["here", "mine", "all here"],
      ["there", "mine too", "all there"],
    ]);
    for (const peer of [toUser(tom.userId), toSystem]) {
      const [a, b] = [await tom.rpc.history.listMessages({ peer }), await twin.rpc.history.listMessages({ peer })];
      for (const message of a.messages)
        expect(b.messages.map(({ messageId }) => messageId)).not.toContain(message.messageId);
    }
    await tom.rpc.auth.logout({});
    expect((await twin.rpc.auth.listSessions({})).sessions).toHaveLength(1);
    for (const stream of streams) await stream.close();
  });

  test("one username is two accounts, one installation two sessions, one request id two groups", async () => {
    const apps = [server, other];
    const passwords = ["here", "there"];
    const make = (app: TestServer, password: string) =>
      anonymous(app).auth.createAccount({ appId: app.appId, clientKey: app.clientKey, username: "both", password });
    const users = await Promise.all(apps.map(async (app, at) => must((await make(app, must(passwords[at]))).user)));
    const enter = (app: TestServer, password: string) =>
      anonymous(app).auth.login({
        appId: app.appId,
        clientKey: app.clientKey,
        credential: { case: "password", value: { username: "both", password } },
        installation: { installationId: "phone" },
      });
    const sessions = await Promise.all(apps.map((app, at) => enter(app, must(passwords[at]))));
    expect(sessions.map(({ userId }) => userId)).toEqual(users.map(({ userId }) => userId));
    expect((await refusal(enter(server, "there"))).reason).toBe("WRONG_CREDENTIAL");
    const groups = [];
    for (const { sessionToken } of sessions) {
      const { group } = await withToken(server, sessionToken).group.createGroup({ requestId: "r" });
      groups.push(must(group).groupId);
    }
    expect(new Set(groups).size).toBe(2);
  });
});

describe("the keys of one app", () => {
  test("open no door of the other", async () => {
    const tom = await newUser(server);
    const enter = (appId: string, clientKey: string) =>
      refusal(
        anonymous(server).auth.login({ appId, clientKey, credential: { case: "bareId", value: { userId: "x" } } }),
      );
    const wrong = await enter("no-app", server.clientKey);
    expect(wrong).toMatchObject({ code: "Unauthenticated", reason: "WRONG_CREDENTIAL" });
    for (const answer of [await enter(server.appId, other.clientKey), await enter(other.appId, server.clientKey)])
      expect(answer).toMatchObject({
        code: wrong.code,
        reason: wrong.reason,
        message: wrong.message,
        field: wrong.field,
      });
    // A service key acts for users of its own app alone.
    const foreign = await refusal(backend(other).as(tom.userId).auth.listSessions({}));
    const nobody = await refusal(backend(other).as("nobody").auth.listSessions({}));
    expect([foreign.code, foreign.reason, foreign.message]).toEqual([nobody.code, nobody.reason, nobody.message]);
    const { sessions } = await backend(other)
      .admin.createSession({ userId: tom.userId })
      .then(({ sessionToken }) => withToken(server, sessionToken).auth.listSessions({}));
    expect(sessions.map(({ sessionId }) => sessionId)).not.toContain(tom.sessionId);
    for (const rpc of [backend(server), tom.rpc])
      expect(await refusal(rpc.operator.getApp({ appId: other.appId }))).toMatchObject({ reason: "UNAUTHENTICATED" });
    expect((await operator(server).getApp({ appId: other.appId })).app?.appId).toBe(other.appId);
  });

  test("nor do its places in lists and logs", async () => {
    const [tom, theirs] = [await newUser(server), await newUser(other)];
    for (const _ of [1, 2]) {
      await newGroup(tom, []);
      await newGroup(theirs, []);
    }
    const { nextPageToken: pageToken } = await theirs.rpc.group.listGroups({ pageSize: 1 });
    const own = (await tom.rpc.group.listGroups({})).groups.map(({ groupId }) => groupId);
    for (const { groupId } of (await tom.rpc.group.listGroups({ pageToken })).groups) expect(own).toContain(groupId);
    const { cursor } = await theirs.rpc.message.listEvents({});
    for (const call of [tom.rpc.message.listEvents({ cursor }), tom.rpc.message.ackEvents({ cursor })])
      expect((await refusal(call)).reason).toBe("CURSOR_INVALID");
    const stream = await subscribe(tom, { cursor });
    expect(await stream.frame("started")).toMatchObject({ resumed: false });
    await stream.close();
  });
});
