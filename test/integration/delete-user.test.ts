import { toJson } from "@bufbuild/protobuf";
import { MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { ChangeKind, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ON_POSTGRES } from "../support/database.js";
import { fakeClock } from "../support/fake-clock.js";
import {
  anonymous,
  backend,
  eventually,
  login,
  newUser,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
} from "../support/index.js";
import {
  count,
  eventsAfter,
  messageOf,
  must,
  newGroup,
  newPair,
  newRoom,
  newUsers,
  say,
  send,
  text,
  textOf,
  toGroup,
  toSystem,
  toUser,
} from "../support/messaging.js";
import { readRows } from "../support/rows.js";
import { eraseAll } from "./erasures.js";
import { refused } from "./watching.js";

/** Retention, which blanks what is stored, runs when this clock is moved and no sooner. */
const clock = fakeClock(Date.now());
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.close());

const deleteUser = (userId: string) => backend(server).admin.deleteUser({ userId });
const pending = async (userId: string) => (await backend(server).admin.getUserDeletion({ userId })).pending;
const noUser = { code: "NotFound", reason: "NOT_FOUND", field: "user_id" };
const history = async (reader: Pick<TestUser, "rpc">, peer: ReturnType<typeof toUser> | ReturnType<typeof toGroup>) =>
  (await reader.rpc.history.listMessages({ peer })).messages;

// A busy machine takes many times what a quiet one does.
describe("DeleteUser", { timeout: 180_000 }, () => {
  test("ends sessions, streams, credentials, friendships and memberships at once, and tells those concerned", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    const group = await newGroup(jerry, [tom, spike]);
    const room = await newRoom(jerry, [tom]);
    const own = await subscribe(tom);
    const { cursor } = await jerry.rpc.message.listEvents({});
    await deleteUser(tom.userId);
    expect(await own.frame("goodbye")).toMatchObject({ reconnect: false });
    expect(own.events().map(({ event }) => event.case)).toEqual(["sessionRevoked"]);
    expect(await refused(tom.rpc.auth.listSessions({}))).toMatchObject({ reason: "SESSION_REVOKED" });
    const { events } = await eventsAfter(jerry.rpc, cursor);
    expect(events.map(({ event }) => [event.case, (event.value as { change?: ChangeKind }).change])).toEqual([
      ["friendChanged", ChangeKind.REMOVED],
      ["groupMemberChanged", ChangeKind.REMOVED],
      ["roomMemberChanged", ChangeKind.REMOVED],
      ["userChanged", ChangeKind.REMOVED],
    ]);
    expect(toJson(StreamEventSchema, must(events.at(-1)))).toMatchObject({
      userChanged: { user: { userId: tom.userId }, change: "CHANGE_KIND_REMOVED" },
    });
    expect((await jerry.rpc.friend.listFriends({ view: View.BASIC })).friends).toEqual([]);
    for (const members of [
      (await jerry.rpc.group.getGroup({ groupId: group })).group?.memberUserIds,
      (await jerry.rpc.room.getRoom({ roomId: room })).room?.memberUserIds,
    ])
      expect(members).not.toContain(tom.userId);
    const { admin } = backend(server);
    for (const call of [
      () => jerry.rpc.user.getUser({ userId: tom.userId }),
      () => jerry.rpc.friend.addFriend({ userId: tom.userId }),
      () => admin.getUserDetail({ userId: tom.userId }),
      () => admin.disconnectUser({ userId: tom.userId }),
      () => admin.deleteUser({ userId: tom.userId }),
    ])
      expect(await refused(call())).toEqual(noUser);
    expect(await refused(send(jerry, toUser(tom.userId), "are you there"))).toEqual({
      ...noUser,
      field: "receiver.user_id",
    });
  });

  test("blanks every word at once for others, who keep a dense history that says so, also in the log", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const group = await newGroup(jerry, [tom, spike]);
    const { cursor } = await jerry.rpc.message.listEvents({});
    await tom.rpc.user.updateUser({ displayName: "Thomas the secret" });
    await say(tom, toUser(jerry.userId), "secret one", { remark: "secret", attributes: { a: "secret" } });
    await say(jerry, toUser(tom.userId), "answer");
    await say(tom, toGroup(group), "secret two", { mentions: { userIds: [jerry.userId] } });
    await say(spike, toGroup(group), "still here");
    await tom.rpc.group.updateGroupMember({ groupId: group, userId: tom.userId, alias: "secret alias" });
    await deleteUser(tom.userId);
    const check = async (when: string) => {
      const direct = await history(jerry, toUser(tom.userId));
      expect(direct.map(textOf), when).toEqual(["", "answer"]);
      expect(direct.map(({ seq }) => seq)).toEqual([1, 2]);
      const [blank] = direct;
      expect(blank).toMatchObject({
        state: MessageState.DELETED,
        revision: 1,
        remark: "",
        sender: { sender: { case: "userId", value: tom.userId } },
      });
      expect(blank?.content).toBeUndefined();
      expect(blank?.attributes).toBeUndefined();
      expect((await jerry.rpc.history.getMessage({ messageId: must(blank).messageId })).message).toEqual(blank);
      const talk = await history(jerry, toGroup(group));
      expect(talk.map(textOf)).toEqual(["", "still here"]);
      expect(talk[0]?.mentions).toBeUndefined();
      // Unread counts, and the list of conversations, as if those words had never counted.
      const { conversations, unreadTotal } = await jerry.rpc.conversation.listConversations({});
      expect(conversations.map(({ unreadCount }) => unreadCount)).toEqual([1, 0]);
      expect(unreadTotal).toBe(1);
      const { events } = await eventsAfter(jerry.rpc, cursor);
      expect(JSON.stringify(events.map((event) => toJson(StreamEventSchema, event))), when).not.toContain("secret");
      const messages = events.flatMap((event) => messageOf(event) ?? []);
      expect(messages.map(({ state }) => state)).toEqual([3, 1, 3, 1]);
      // Whoever had read them is told once what they are now.
      const gone = must(events.find(({ event }) => event.case === "userChanged"));
      expect(messages[0]?.updateTime).toEqual(gone.createTime);
    };
    expect(await pending(tom.userId)).toBe(true);
    await check("at once");
    await eraseAll(server, clock);
    expect(await pending(tom.userId)).toBe(false);
    await check("once it is blanked");
  });

  test.skipIf(ON_POSTGRES)("leaves nothing of the user in the store but its id", async () => {
    const { admin } = backend(server);
    const { appId, clientKey } = server;
    const made = await anonymous(server).auth.createAccount({
      appId,
      clientKey,
      username: "a-secret-name",
      password: "p",
      displayName: "Secret Name",
    });
    const userId = must(made.user).userId;
    const other = await newUser(server);
    const rpc = backend(server).as(userId);
    const self = { rpc };
    await rpc.user.updateUser({ attributes: { key: "secret words" } });
    await rpc.friend.addFriend({ userId: other.userId });
    const group = await newGroup(other, [{ userId } as TestUser]);
    await say(self, toUser(other.userId), "secret words", { push: { title: "secret words" } });
    await say(self, toUser(userId), "secret words");
    await say(self, toGroup(group), "secret words");
    await rpc.group.createGroup({ name: "secret words", requestId: "r" });
    await admin.sendSystemMessage({ receiver: toUser(userId), content: text("secret words") });
    await deleteUser(userId);
    await eraseAll(server, clock);
    const all = [...(await readRows(server.dataDir, { appId }))].map(([table, lines]) => ({
      table,
      text: lines.join("\n"),
    }));
    const bytes = (words: string) => [...Buffer.from(words)].join(",");
    const holds = (words: string) =>
      all.filter(({ text: found }) => found.includes(words) || found.includes(bytes(words))).map(({ table }) => table);
    // It would find them: the id, which others' messages and events still name.
    expect(holds(userId)).toContain("message");
    // The group that it alone was in went with it, name and all.
    expect(holds("secret words")).toEqual([]);
    expect(holds("a-secret-name")).toEqual([]);
    expect(holds("Secret Name")).toEqual([]);
    for (const table of ["user", "session", "credential", "friend", "member", "answered"])
      expect(holds(userId), table).not.toContain(table);
  });

  test("what it owned goes to the longest-standing admin, else member, and is dissolved without any", async () => {
    const [tom, jerry, spike, tyke] = (await newUsers(server, ["tom", "jerry", "spike", "tyke"])) as [
      TestUser,
      TestUser,
      TestUser,
      TestUser,
    ];
    const [withAdmin, without, alone] = [
      await newGroup(tom, [jerry, spike]),
      await newGroup(tom, []),
      await newGroup(tom, []),
    ];
    await tom.rpc.group.updateGroupMember({ groupId: withAdmin, userId: spike.userId, role: GroupRole.ADMIN });
    await tyke.rpc.group.joinGroup({ groupId: without });
    await jerry.rpc.group.joinGroup({ groupId: without });
    const [room, left, empty] = [await newRoom(tom, [jerry]), await newRoom(tom, [spike]), await newRoom(tom, [])];
    await tom.rpc.room.leaveRoom({ roomId: left });
    const { cursor } = await spike.rpc.message.listEvents({});
    await deleteUser(tom.userId);
    const ownerOf = async (user: TestUser, groupId: string) =>
      (await user.rpc.group.getGroup({ groupId })).group?.ownerUserId;
    expect(await ownerOf(spike, withAdmin)).toBe(spike.userId);
    expect(await ownerOf(jerry, without)).toBe(tyke.userId);
    const { members } = await jerry.rpc.group.listGroupMembers({ groupId: without });
    expect(members.map(({ userId, role }) => [userId, role])).toEqual([
      [tyke.userId, GroupRole.OWNER],
      [jerry.userId, GroupRole.MEMBER],
    ]);
    const creatorOf = async (roomId: string) => (await jerry.rpc.room.getRoom({ roomId })).room?.creatorUserId;
    expect([await creatorOf(room), await creatorOf(left)]).toEqual([jerry.userId, spike.userId]);
    expect(await refused(backend(server).group.getGroup({ groupId: alone }))).toMatchObject({ reason: "NOT_FOUND" });
    expect(await refused(jerry.rpc.room.getRoom({ roomId: empty }))).toMatchObject({ reason: "NOT_FOUND" });
    const { events } = await eventsAfter(spike.rpc, cursor);
    expect(events.map(({ event }) => event.case)).toEqual([
      "groupMemberChanged",
      "groupChanged",
      "roomChanged",
      "groupMemberChanged",
      "userChanged",
    ]);
  });

  test("who comes later under the same id inherits nothing, and is heard and read as anybody", async () => {
    const [tom, jerry] = await newPair(server);
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    const group = await newGroup(jerry, [tom]);
    await say(tom, toUser(jerry.userId), "old", { clientMessageId: "key" });
    await say(jerry, toUser(tom.userId), "old answer");
    await backend(server).admin.sendSystemMessage({ receiver: toUser(tom.userId), content: text("old notice") });
    await deleteUser(tom.userId);
    const again = await login(server, tom.userId);
    const nothing = async () => {
      expect((await again.rpc.conversation.listConversations({})).conversations).toEqual([]);
      expect(await history(again, toUser(jerry.userId))).toEqual([]);
      expect((await again.rpc.history.listMessages({ peer: toSystem })).messages).toEqual([]);
      expect((await again.rpc.friend.listFriends({})).friends).toEqual([]);
      expect((await again.rpc.group.listGroups({})).groups).toEqual([]);
      expect(await refused(again.rpc.history.listMessages({ peer: toGroup(group) }))).toMatchObject({
        reason: "NOT_MEMBER",
      });
    };
    await nothing();
    await eraseAll(server, clock);
    await nothing();
    // A key of the one before is not its own to repeat.
    expect(await refused(send(again, toUser(jerry.userId), "old", { clientMessageId: "key" }))).toMatchObject({
      reason: "IDEMPOTENCY_CONFLICT",
    });
    await say(again, toUser(jerry.userId), "new");
    await say(jerry, toUser(again.userId), "hello, new one");
    const { conversations, unreadTotal } = await again.rpc.conversation.listConversations({});
    expect(conversations.map(({ lastMessage }) => textOf(lastMessage))).toEqual(["hello, new one"]);
    expect(unreadTotal).toBe(1);
    expect((await history(again, toUser(jerry.userId))).map(textOf)).toEqual(["new", "hello, new one"]);
    expect((await history(jerry, toUser(again.userId))).map(textOf)).toEqual([
      "",
      "old answer",
      "new",
      "hello, new one",
    ]);
    await deleteUser(tom.userId);
    await eraseAll(server, clock);
    expect((await history(jerry, toUser(tom.userId))).map(textOf)).toEqual(["", "old answer", "", "hello, new one"]);
  });

  test("a send that was on its way is refused, and so is a friendship", async () => {
    const [tom, jerry] = await newPair(server);
    const group = await newGroup(jerry, [tom]);
    const late = await Promise.allSettled([
      deleteUser(tom.userId),
      ...count(20).map((at) => send(tom, toUser(jerry.userId), `late ${at}`)),
      ...count(20).map((at) => send(tom, toGroup(group), `late ${at}`)),
      tom.rpc.friend.addFriend({ userId: jerry.userId }),
    ]);
    const { friends } = await jerry.rpc.friend.listFriends({});
    expect(friends).toEqual([]);
    // Whatever was stored before is blank, and nothing came behind.
    const direct = late.slice(1, 21).filter(({ status }) => status === "fulfilled").length;
    const texts = direct === 0 ? [] : (await history(jerry, toUser(tom.userId))).map(textOf);
    expect(texts).toEqual(Array.from({ length: direct }, () => ""));
    await eraseAll(server, clock);
  });

  test("goes on where it was when the server ends in the middle", async () => {
    let own = await startTestServer({ clock });
    const [tom, jerry] = await newPair(own);
    for (const at of count(30)) await say(tom, toUser(jerry.userId), `secret ${at}`);
    await backend(own).admin.deleteUser({ userId: tom.userId });
    own = await own.restart();
    expect((await backend(own).admin.getUserDeletion({ userId: tom.userId })).pending).toBe(true);
    const reader = { rpc: backend(own).as(jerry.userId) };
    expect((await reader.rpc.history.listMessages({ peer: toUser(tom.userId) })).messages.map(textOf)).toEqual(
      Array.from({ length: 20 }, () => ""),
    );
    await eraseAll(own, clock);
    expect((await backend(own).admin.getUserDeletion({ userId: tom.userId })).pending).toBe(false);
    await own.close();
  });
});

describe("DisconnectUser", () => {
  test("ends the streams and leaves the sessions, which may come back", async () => {
    const tom = await newUser(server);
    const stream = await subscribe(tom);
    const { admin } = backend(server);
    expect(await admin.disconnectUser({ userId: tom.userId })).toMatchObject({ streams: 1, sessions: 0 });
    const goodbye = await stream.frame("goodbye");
    expect([goodbye.reason, goodbye.reconnect]).toEqual([8, false]);
    await eventually(async () => {
      const { presence } = await tom.rpc.user.getPresence({ userId: tom.userId });
      expect(presence?.online).toBe(false);
    });
    await (await subscribe(tom)).close();
  });

  test("with revoke_sessions ends them all", async () => {
    const tom = await newUser(server);
    const phone = await login(server, tom.userId);
    const stream = await subscribe(phone);
    const { admin } = backend(server);
    const answer = await admin.disconnectUser({ userId: tom.userId, revokeSessions: true });
    expect(answer).toMatchObject({ streams: 1, sessions: 2 });
    expect((await stream.frame("goodbye")).reason).toBe(3);
    for (const user of [tom, phone])
      expect(await refused(user.rpc.auth.listSessions({}))).toMatchObject({ reason: "SESSION_REVOKED" });
    expect(await admin.disconnectUser({ userId: tom.userId, revokeSessions: true })).toMatchObject({ sessions: 0 });
  });
});
