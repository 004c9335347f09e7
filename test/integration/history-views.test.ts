import { View } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { backend, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import {
  count,
  eventsAfter,
  must,
  newDevice,
  newGroup,
  newPair,
  newRoom,
  newUsers,
  say,
  send,
  textOf,
  textsOf,
  toGroup,
  toRoom,
  toSystem,
  toUser,
} from "../support/messaging.js";
import { readRows } from "../support/rows.js";
import { eraseAll } from "./erasures.js";
import { refused, watch } from "./watching.js";

const clock = fakeClock(Date.now());
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.close());

type Peer = ReturnType<typeof toUser> | ReturnType<typeof toGroup>;
const texts = async ({ rpc }: Pick<TestUser, "rpc">, peer: Peer) =>
  (await rpc.history.listMessages({ peer })).messages.map(textOf);

describe("ClearHistory", () => {
  test("takes what was said in a group from everybody, for ever, and tells the members", async () => {
    const [tom, jerry] = await newPair(server);
    const group = await newGroup(tom, [jerry]);
    const { cursor } = await jerry.rpc.message.listEvents({});
    await say(tom, toGroup(group), "secret one", { clientMessageId: "k" });
    const { messageId } = await say(tom, toGroup(group), "secret two");
    const seen = await watch(jerry);
    expect(await tom.rpc.history.clearHistory({ peer: toGroup(group) })).toMatchObject({ clearedSeq: 2 });
    expect(await seen()).toEqual([
      {
        historyCleared: {
          conversationId: expect.any(String),
          peer: { groupId: group },
          upToSeq: 2,
          actorUserId: tom.userId,
        },
      },
    ]);
    const gone = async () => {
      for (const user of [tom, jerry]) expect(await texts(user, toGroup(group))).toEqual([]);
      const { conversation } = await jerry.rpc.conversation.getConversation({ peer: toGroup(group) });
      expect(conversation).toMatchObject({ headSeq: 2, unreadCount: 0 });
      expect(conversation?.lastMessage).toBeUndefined();
      expect(await refused(jerry.rpc.history.getMessage({ messageId }))).toMatchObject({ reason: "NOT_FOUND" });
      const { events } = await eventsAfter(jerry.rpc, cursor);
      expect(textsOf(events)).toEqual([]);
    };
    await gone();
    await eraseAll(server, clock);
    await gone();
    const bytes = [...Buffer.from("secret")].join(",");
    for (const [table, lines] of await readRows(server.dataDir)) expect(lines.join("\n"), table).not.toContain(bytes);
    // A repeat of a send that was in time does nothing again, and what is said now stands behind.
    expect((await send(tom, toGroup(group), "secret one", { clientMessageId: "k" })).deduplicated).toBe(true);
    expect((await say(jerry, toGroup(group), "new")).seq).toBe(3);
    expect(await texts(tom, toGroup(group))).toEqual(["new"]);
    // The second time there is something to clear again, the third time not.
    expect(await tom.rpc.history.clearHistory({ peer: toGroup(group) })).toMatchObject({ clearedSeq: 3 });
    const quiet = await watch(jerry);
    expect(await tom.rpc.history.clearHistory({ peer: toGroup(group) })).toMatchObject({ clearedSeq: 3 });
    expect(await quiet()).toEqual([]);
    await eraseAll(server, clock);
  });

  test("is the owner's right, and the backend's; only groups have it", async () => {
    const [tom, jerry] = await newPair(server);
    const group = await newGroup(tom, [jerry]);
    await say(jerry, toGroup(group), "one");
    expect(await refused(jerry.rpc.history.clearHistory({ peer: toGroup(group) }))).toEqual({
      code: "PermissionDenied",
      reason: "ROLE_TOO_LOW",
      field: "peer.group_id",
    });
    expect(await refused(tom.rpc.history.clearHistory({ peer: toGroup("none") }))).toMatchObject({
      reason: "NOT_FOUND",
    });
    for (const peer of [toUser(jerry.userId), toRoom("r"), toSystem])
      expect(await refused(tom.rpc.history.clearHistory({ peer }))).toMatchObject({ reason: "UNSUPPORTED" });
    expect(await backend(server).history.clearHistory({ peer: toGroup(group) })).toMatchObject({ clearedSeq: 1 });
    expect(await texts(jerry, toGroup(group))).toEqual([]);
  });
});

describe("HideHistory", () => {
  test("hides from the caller alone, on all its devices: lists, unread counts, newest messages, replies, exports", async () => {
    const [tom, jerry] = await newPair(server);
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    const said = [];
    for (const at of count(4)) said.push(await say(jerry, toUser(tom.userId), `m${at}`));
    const device = await newDevice(server, tom);
    const [seen, seenByJerry] = [await watch(device), await watch(jerry)];
    const peer = toUser(jerry.userId);
    expect(await tom.rpc.history.hideHistory({ peer, upToSeq: 2 })).toMatchObject({ hiddenSeq: 2 });
    expect(await texts(device, peer)).toEqual(["m3", "m4"]);
    expect((await device.rpc.conversation.getConversation({ peer })).conversation?.unreadCount).toBe(2);
    expect(await refused(tom.rpc.history.getMessage({ messageId: must(said[0]).messageId }))).toMatchObject({
      reason: "NOT_FOUND",
    });
    expect(await refused(send(tom, peer, "re", { replyToMessageId: must(said[1]).messageId }))).toMatchObject({
      reason: "NOT_FOUND",
    });
    // It never comes back, and never reaches beyond the head.
    expect(await tom.rpc.history.hideHistory({ peer, upToSeq: 1 })).toMatchObject({ hiddenSeq: 1 });
    expect(await texts(tom, peer)).toEqual(["m3", "m4"]);
    expect(await tom.rpc.history.hideHistory({ peer, upToSeq: 99 })).toMatchObject({ hiddenSeq: 4 });
    expect(await seen()).toEqual(
      [2, 4].map((upToSeq) => ({
        historyCleared: {
          conversationId: expect.any(String),
          peer: { userId: jerry.userId },
          upToSeq,
          own: true,
          actorUserId: tom.userId,
        },
      })),
    );
    expect(await seenByJerry()).toEqual([]);
    expect(await texts(tom, peer)).toEqual([]);
    const { conversations } = await tom.rpc.conversation.listConversations({});
    expect(conversations.map(({ lastMessage, unreadCount }) => [lastMessage, unreadCount])).toEqual([[undefined, 0]]);
    for (const friend of [
      (await tom.rpc.friend.getFriend({ userId: jerry.userId })).friend,
      (await tom.rpc.friend.listFriends({ view: View.FULL })).friends[0],
    ])
      expect(friend?.lastMessage).toBeUndefined();
    const exported = [];
    for await (const { message } of tom.rpc.history.exportHistory({ peer })) exported.push(textOf(message));
    expect(exported).toEqual([]);
    expect(await texts(jerry, toUser(tom.userId))).toEqual(["m1", "m2", "m3", "m4"]);
    await say(jerry, toUser(tom.userId), "m5");
    expect(await texts(tom, peer)).toEqual(["m5"]);
    expect((await tom.rpc.conversation.listConversations({})).unreadTotal).toBe(1);
  });

  test("of a group, of the system, of nothing and of rooms", async () => {
    const [tom, jerry] = await newPair(server);
    const group = await newGroup(jerry, [tom]);
    await say(jerry, toGroup(group), "one");
    await backend(server).admin.sendSystemMessage({
      receiver: toUser(tom.userId),
      content: { content: { case: "text", value: { text: "notice" } } },
    });
    for (const peer of [toGroup(group), toSystem]) {
      expect(await tom.rpc.history.hideHistory({ peer })).toMatchObject({ hiddenSeq: 1 });
      expect((await tom.rpc.history.listMessages({ peer })).messages).toEqual([]);
    }
    expect(await texts(jerry, toGroup(group))).toEqual(["one"]);
    expect(await tom.rpc.history.hideHistory({ peer: toUser(jerry.userId) })).toMatchObject({ hiddenSeq: 0 });
    expect(await refused(tom.rpc.history.hideHistory({ peer: toUser("nobody") }))).toMatchObject({
      reason: "NOT_FOUND",
    });
    const room = await newRoom(jerry, [tom]);
    expect(await refused(tom.rpc.history.hideHistory({ peer: toRoom(room) }))).toMatchObject({ reason: "UNSUPPORTED" });
  });
});

describe("DeleteConversation", () => {
  test("takes it off the caller's list until the next message, and keeps its history", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    await say(jerry, toUser(tom.userId), "one");
    await say(spike, toUser(tom.userId), "other");
    const [seen, seenByJerry] = [await watch(tom), await watch(jerry)];
    const peer = toUser(jerry.userId);
    await tom.rpc.conversation.deleteConversation({ peer });
    await tom.rpc.conversation.deleteConversation({ peer });
    expect(await seen()).toEqual([
      {
        conversationChanged: {
          conversationId: expect.any(String),
          peer: { userId: jerry.userId },
          change: "CHANGE_KIND_REMOVED",
        },
      },
    ]);
    expect(await seenByJerry()).toEqual([]);
    const list = async () => {
      const { conversations, unreadTotal } = await tom.rpc.conversation.listConversations({});
      return [conversations.map(({ lastMessage }) => textOf(lastMessage)), unreadTotal];
    };
    expect(await list()).toEqual([["other"], 1]);
    expect(await texts(tom, peer)).toEqual(["one"]);
    expect((await tom.rpc.conversation.getConversation({ peer })).conversation?.unreadCount).toBe(0);
    await say(jerry, toUser(tom.userId), "two");
    // What stood in it before counts no longer.
    expect(await list()).toEqual([["two", "other"], 2]);
    expect(await texts(tom, peer)).toEqual(["one", "two"]);
    expect(await tom.rpc.conversation.markRead({ peer })).toMatchObject({ readSeq: 2, unreadCount: 0 });
    expect((await jerry.rpc.conversation.listConversations({})).conversations).toHaveLength(1);
  });

  test("with hide_history leaves nothing of it", async () => {
    const [tom, jerry] = await newPair(server);
    await say(jerry, toUser(tom.userId), "one");
    const peer = toUser(jerry.userId);
    const seen = await watch(tom);
    await tom.rpc.conversation.deleteConversation({ peer, hideHistory: true });
    expect((await seen()).map((event) => Object.keys(event as object)[0])).toEqual([
      "historyCleared",
      "conversationChanged",
    ]);
    expect(await texts(tom, peer)).toEqual([]);
    await say(jerry, toUser(tom.userId), "two");
    expect(await texts(tom, peer)).toEqual(["two"]);
    const nothing = await watch(tom);
    await tom.rpc.conversation.deleteConversation({ peer: toUser(tom.userId) });
    expect(await nothing()).toEqual([]);
    expect(await refused(tom.rpc.conversation.deleteConversation({ peer: toUser("nobody") }))).toMatchObject({
      reason: "NOT_FOUND",
    });
  });
});
