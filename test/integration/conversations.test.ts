import type { Conversation } from "@parley/proto/parley/v1/conversation_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, newUser, startTestServer, subscribe, type TestServer, type TestUser } from "../support/index.js";
import {
  count,
  eventsAfter,
  must,
  newDevice,
  newGroup,
  newPair,
  newUsers,
  otherApp,
  say,
  says,
  type To,
  text,
  textOf,
  textsOf,
  toEveryone,
  toGroup,
  toRoom,
  toSystem,
  toUser,
} from "../support/messaging.js";
import { refused } from "./watching.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const threeUsers = async () => (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
const view = ({ peer, headSeq, readSeq, unreadCount, lastMessage }: Conversation) => ({
  peer: peer?.peer.case === "system" ? "system" : peer?.peer.value,
  headSeq,
  readSeq,
  unreadCount,
  last: textOf(lastMessage),
});
const conversationOf = async (user: TestUser, peer: To) =>
  view(must((await user.rpc.conversation.getConversation({ peer })).conversation));
const fromSystem = (receiver: To, words: string) =>
  backend(server).admin.sendSystemMessage({ receiver, content: text(words) });

describe("ListConversations", () => {
  test("puts the one with the newest message first; those with none are not there", async () => {
    const [tom, jerry, spike] = await threeUsers();
    const [group, silent] = [await newGroup(tom, [jerry]), await newGroup(tom, [jerry])];
    const list = async () =>
      (await jerry.rpc.conversation.listConversations({})).conversations.map((conversation) => view(conversation).peer);
    expect(await list()).toEqual([]);
    await say(tom, toUser(jerry.userId), "1");
    await say(spike, toUser(jerry.userId), "2");
    await say(tom, toGroup(group), "3");
    await fromSystem(toUser(jerry.userId), "4");
    expect(await list()).toEqual(["system", group, spike.userId, tom.userId]);
    await say(jerry, toUser(tom.userId), "5");
    expect(await list()).toEqual([tom.userId, "system", group, spike.userId]);
    expect(await list()).not.toContain(silent);
    await jerry.rpc.group.leaveGroup({ groupId: group });
    expect(await list()).toEqual([tom.userId, "system", spike.userId]);
  });

  test("pages of every size give each once, and the last says that it is", async () => {
    const [tom, ...others] = await newUsers(
      server,
      count(7).map((at) => `u${at}`),
    );
    const me = must(tom);
    for (const other of others) await say(other, toUser(me.userId), "hi");
    for (const pageSize of [1, 2, 3, 4, 6, 100]) {
      const ids: unknown[] = [];
      let [pageToken, pages] = ["", 0];
      do {
        const page = await me.rpc.conversation.listConversations({ pageSize, pageToken });
        ids.push(...page.conversations.map((conversation) => view(conversation).peer));
        expect(page.unreadTotal).toBe(6);
        pageToken = page.nextPageToken;
        pages += 1;
      } while (pageToken !== "");
      expect(ids).toEqual(others.map((other) => other.userId).reverse());
      expect(pages).toBe(Math.ceil(6 / pageSize));
    }
    const bad = me.rpc.conversation.listConversations({ pageToken: "nonsense" });
    expect(await refused(bad)).toMatchObject({ reason: "INVALID_FIELD", field: "page_token" });
  });

  test("the cursor closes the race: what is listed and what follows it are together all, each once", async () => {
    const [tom, jerry] = await newPair(server);
    const peer = toUser(tom.userId);
    const sending = (async () => {
      for (const at of count(200)) await say(tom, toUser(jerry.userId), String(at));
    })();
    let rounds = 0;
    for (let listed = 0; listed < 200; rounds++) {
      const { conversations, cursor } = await jerry.rpc.conversation.listConversations({});
      const now = conversations[0];
      listed = now?.headSeq ?? 0;
      expect(textOf(now?.lastMessage)).toBe(listed === 0 ? "" : String(listed));
      expect(now?.unreadCount ?? 0).toBe(listed);
      const device = await newDevice(server, jerry);
      const stream = await subscribe(device, { cursor });
      const following = textsOf(stream.events());
      await stream.close();
      expect(following).toEqual(count(following.length).map((at) => String(listed + at)));
    }
    await sending;
    expect(rounds).toBeGreaterThan(1);
    expect(await conversationOf(jerry, peer)).toMatchObject({ headSeq: 200, unreadCount: 200 });
  });
});

describe("I9: unread is exact", () => {
  test("own messages and notices do not count; groups, strangers and the system do; everyone's does not", async () => {
    const [tom, jerry, spike] = await threeUsers();
    const group = await newGroup(tom, [jerry]);
    const notice = { content: { case: "notice" as const, value: { text: "tom joined" } } };
    await say(tom, toUser(jerry.userId), "1");
    await say(jerry, toUser(tom.userId), "mine");
    await say(tom, toGroup(group), "g1");
    await say(jerry, toGroup(group), "mine");
    await say(tom, toGroup(group), "g2");
    await backend(server).admin.sendSystemMessage({ receiver: toGroup(group), content: notice });
    await fromSystem(toGroup(group), "g3");
    await fromSystem(toUser(jerry.userId), "s1");
    await fromSystem(toEveryone, "all");
    await backend(server).admin.sendSystemMessage({ receiver: toUser(jerry.userId), content: notice });
    expect(await conversationOf(jerry, toUser(tom.userId))).toMatchObject({ headSeq: 2, readSeq: 0, unreadCount: 1 });
    expect(await conversationOf(jerry, toGroup(group))).toMatchObject({ headSeq: 5, unreadCount: 3, last: "g3" });
    expect(await conversationOf(jerry, toSystem)).toMatchObject({ headSeq: 2, unreadCount: 1, last: "tom joined" });
    expect((await jerry.rpc.conversation.listConversations({})).unreadTotal).toBe(5);
    expect((await tom.rpc.conversation.listConversations({})).unreadTotal).toBe(3);
    expect((await spike.rpc.conversation.listConversations({})).unreadTotal).toBe(0);
  });

  test("so many that they are counted apart, in steps", async () => {
    const [tom, jerry, spike] = await threeUsers();
    const flood = async (from: TestUser, batches: number) => {
      for (const batch of count(batches)) {
        const requests = count(100).map((at) => ({
          receiver: toUser(jerry.userId),
          content: text(`${batch} ${at}`),
        }));
        await from.rpc.message.sendMessages({ requests });
      }
    };
    await flood(tom, 25);
    await flood(spike, 3);
    await say(jerry, toUser(tom.userId), "mine does not count");
    expect((await jerry.rpc.conversation.listConversations({})).unreadTotal).toBe(2800);
    expect(await conversationOf(jerry, toUser(tom.userId))).toMatchObject({ headSeq: 2501, unreadCount: 2500 });
    const peer = toUser(tom.userId);
    expect(await jerry.rpc.conversation.markRead({ peer, readSeq: 100 })).toMatchObject({ unreadCount: 2400 });
    expect(await jerry.rpc.conversation.markRead({ peer })).toMatchObject({ readSeq: 2501, unreadCount: 0 });
    expect((await jerry.rpc.conversation.listConversations({})).unreadTotal).toBe(300);
  });

  test("a newcomer starts with nothing unread, one who comes back too", async () => {
    const [tom, jerry] = await newPair(server);
    const groupId = await newGroup(tom, [], { historyForNewMembers: true });
    const add = () => tom.rpc.group.addGroupMembers({ groupId, userIds: [jerry.userId] });
    for (const at of count(3)) await say(tom, toGroup(groupId), String(at));
    await add();
    expect(await conversationOf(jerry, toGroup(groupId))).toMatchObject({ headSeq: 3, readSeq: 3, unreadCount: 0 });
    await say(tom, toGroup(groupId), "4");
    expect(await conversationOf(jerry, toGroup(groupId))).toMatchObject({ unreadCount: 1 });
    await jerry.rpc.group.leaveGroup({ groupId });
    await say(tom, toGroup(groupId), "5");
    await add();
    expect(await conversationOf(jerry, toGroup(groupId))).toMatchObject({ headSeq: 5, readSeq: 5, unreadCount: 0 });
  });
});

describe("MarkRead", () => {
  test("moves forward only, and not past the head", async () => {
    const [tom, jerry] = await newPair(server);
    const peer = toUser(tom.userId);
    const mark = async (readSeq: number) => {
      const { $typeName: _, ...answer } = await jerry.rpc.conversation.markRead({ peer, readSeq });
      return answer;
    };
    expect(await mark(5)).toEqual({ readSeq: 0, unreadCount: 0 });
    for (const at of count(5)) await say(tom, toUser(jerry.userId), String(at));
    expect(await mark(2)).toEqual({ readSeq: 2, unreadCount: 3 });
    expect(await mark(1)).toEqual({ readSeq: 2, unreadCount: 3 });
    expect(await mark(4)).toEqual({ readSeq: 4, unreadCount: 1 });
    expect(await mark(99)).toEqual({ readSeq: 5, unreadCount: 0 });
    await say(tom, toUser(jerry.userId), "6");
    expect(await conversationOf(jerry, peer)).toMatchObject({ headSeq: 6, readSeq: 5, unreadCount: 1 });
    expect(await mark(0)).toEqual({ readSeq: 6, unreadCount: 0 });
    // The other side has a marker of its own.
    expect(await conversationOf(tom, toUser(jerry.userId))).toMatchObject({ readSeq: 0, unreadCount: 0 });
  });

  test("marks at once never let it fall", async () => {
    const [tom, jerry] = await newPair(server);
    for (const at of count(20)) await say(tom, toUser(jerry.userId), String(at));
    const { cursor } = await jerry.rpc.message.listEvents({});
    const seqs = count(20).sort((a, b) => ((a * 7) % 20) - ((b * 7) % 20));
    const answers = await Promise.all(
      seqs.map((readSeq) => jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq })),
    );
    for (const [at, answer] of answers.entries()) expect(answer.readSeq).toBeGreaterThanOrEqual(must(seqs[at]));
    const told = (await eventsAfter(jerry.rpc, cursor)).events.map(({ event }) =>
      event.case === "readMarkerChanged" ? event.value.readSeq : 0,
    );
    expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
    expect(told.at(-1)).toBe(20);
  });

  test("is told to one's own devices and, in one-to-one, to the other side; once for each move", async () => {
    const [tom, jerry, spike] = await threeUsers();
    const group = await newGroup(tom, [jerry, spike]);
    const { conversationId } = await say(tom, toUser(jerry.userId), "1");
    const inGroup = await say(tom, toGroup(group), "1");
    const system = must((await fromSystem(toUser(jerry.userId), "1")).message);
    const cursors = await Promise.all(
      [jerry, tom, spike].map(async (user) => (await user.rpc.message.listEvents({})).cursor),
    );
    for (const _ of count(2))
      for (const peer of [toUser(tom.userId), toGroup(group), toSystem])
        await jerry.rpc.conversation.markRead({ peer });
    const told = async (user: TestUser, at: number) =>
      (await eventsAfter(user.rpc, must(cursors[at]))).events.map(({ event }) =>
        event.case === "readMarkerChanged"
          ? [event.value.conversationId, event.value.userId, event.value.readSeq]
          : event.case,
      );
    const direct = [conversationId, jerry.userId, 1];
    expect(await told(jerry, 0)).toEqual([
      direct,
      [inGroup.conversationId, jerry.userId, 1],
      [system.conversationId, jerry.userId, 1],
    ]);
    expect(await told(tom, 1)).toEqual([direct]);
    expect(await told(spike, 2)).toEqual([]);
  });
});

describe("a peer", () => {
  test("that is unknown, foreign, a room, or a group of others is refused", async () => {
    const [tom, jerry] = await newPair(server);
    const foreign = await newUser(await otherApp(server));
    const group = await newGroup(tom, []);
    const cases: [To, object][] = [
      [toUser("nobody"), { code: "NotFound", reason: "NOT_FOUND", field: "peer.user_id" }],
      [toUser(foreign.userId), { code: "NotFound", reason: "NOT_FOUND", field: "peer.user_id" }],
      [toGroup("none"), { code: "NotFound", reason: "NOT_FOUND", field: "peer.group_id" }],
      [toGroup(group), { code: "PermissionDenied", reason: "NOT_MEMBER", field: "" }],
      [toRoom("any"), { code: "Unimplemented", reason: "UNSUPPORTED", field: "peer.room_id" }],
      [toEveryone, { code: "InvalidArgument", reason: "INVALID_FIELD", field: "peer" }],
    ];
    for (const [peer, answer] of cases) {
      expect(await refused(jerry.rpc.conversation.getConversation({ peer }))).toEqual(answer);
      expect(await refused(jerry.rpc.conversation.markRead({ peer }))).toEqual(answer);
    }
  });

  test("with whom nothing was said yet is an empty conversation", async () => {
    const [tom, jerry] = await newPair(server);
    for (const peer of [toUser(tom.userId), toSystem])
      expect(await conversationOf(jerry, peer)).toMatchObject({ headSeq: 0, readSeq: 0, unreadCount: 0, last: "" });
  });

  test("is named to each side as that side addresses it", async () => {
    const [tom, jerry] = await newPair(server);
    const stream = await subscribe(jerry);
    await say(tom, toUser(jerry.userId), "hi");
    await stream.event(says("hi"));
    await stream.close();
    const [a, b] = [
      must((await tom.rpc.conversation.getConversation({ peer: toUser(jerry.userId) })).conversation),
      must((await jerry.rpc.conversation.getConversation({ peer: toUser(tom.userId) })).conversation),
    ];
    expect(a.conversationId).toBe(b.conversationId);
    expect([view(a).peer, view(b).peer]).toEqual([jerry.userId, tom.userId]);
  });
});
