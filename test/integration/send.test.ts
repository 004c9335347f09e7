import { create, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ChatMessage, MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
import { MessageContentSchema } from "@parley/proto/parley/v1/message_content_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newUser, refusal, startTestServer, subscribe, type TestServer, type TestUser } from "../support/index.js";
import {
  count,
  eventsAfter,
  type Init,
  messageOf,
  millis,
  must,
  newGroup,
  newGuest,
  newPair,
  newRoom,
  newUsers,
  otherApp,
  type SendInit,
  say,
  send,
  text,
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

const historyOf = async (reader: TestUser, receiver: ReturnType<typeof toUser | typeof toGroup>) =>
  (await reader.rpc.history.listMessages({ peer: receiver, pageSize: 100 })).messages;
const nowhere = { code: "NotFound", reason: "NOT_FOUND", field: "receiver.user_id" };

describe("what is stored", () => {
  test("is what was sent, with a place, a time and a sender, for both sides and every device alike", async () => {
    const [tom, jerry] = await newPair(server);
    const [live, own] = await Promise.all([subscribe(jerry), subscribe(tom)]);
    const before = Date.now();
    const first = await say(tom, toUser(jerry.userId), "first");
    const rest: SendInit = {
      clientMessageId: "second-1",
      remark: "a remark",
      attributes: { colour: "grey", list: [1, { deep: null }] },
      replyToMessageId: first.messageId,
      mentions: { userIds: [jerry.userId], everyone: true },
      push: { title: "not stored in the message" },
    };
    const second = await say(tom, toUser(jerry.userId), "second", rest);
    expect(second).toMatchObject({
      conversationId: first.conversationId,
      seq: 2,
      sender: { sender: { case: "userId", value: tom.userId } },
      receiver: { peer: { case: "userId", value: jerry.userId } },
      content: { content: { case: "text", value: { text: "second" } } },
      revision: 0,
      state: MessageState.ACTIVE,
      clientMessageId: "second-1",
      remark: "a remark",
      attributes: rest.attributes,
      replyToMessageId: first.messageId,
      mentions: { userIds: [jerry.userId], everyone: true },
      transient: false,
    });
    expect(second.updateTime).toBeUndefined();
    expect(first.clientMessageId).not.toBe("");
    expect(first.messageId < second.messageId).toBe(true);
    expect(millis(second.createTime)).toBeGreaterThanOrEqual(Math.floor(before));
    expect(millis(second.createTime)).toBeLessThanOrEqual(Date.now());
    for (const stream of [live, own]) {
      const event = await stream.event((candidate) => messageOf(candidate)?.seq === 2);
      expect(messageOf(event)).toEqual(second);
      expect(event.createTime).toEqual(second.createTime);
      await stream.close();
    }
    for (const [reader, other] of [
      [tom, jerry],
      [jerry, tom],
    ] as const)
      expect(await historyOf(reader, toUser(other.userId))).toEqual([first, second]);
  });

  const kinds: NonNullable<Init<typeof MessageContentSchema>["content"]>[] = [
    { case: "text", value: { text: "é 漢字 👨‍👩‍👧 \u202e \ufeff e\u0301\n" } },
    ...(["image", "audio", "video", "file"] as const).map((kind) => ({
      case: kind,
      value: {
        url: "https://example.org/ä?b=c#d",
        thumbnailUrl: "http://example.org/t",
        fileName: "Ünï.png",
        mimeType: "image/png",
        sizeBytes: 4_294_967_295,
        width: 1,
        height: 2,
        duration: { seconds: 3n, nanos: 5 },
      },
    })),
    { case: "location", value: { latitude: -90, longitude: 179.999_999_999, name: "Pole" } },
    { case: "custom", value: { type: "card", data: { b: [true, null, 1.5e300, "x"], a: {} }, fallbackText: "card" } },
  ];
  test.each(kinds.map((content) => [content.case, content] as const))(
    "%s comes back byte for byte",
    async (_, content) => {
      const [tom, jerry] = await newPair(server);
      const { cursor } = await jerry.rpc.message.listEvents({});
      const sent = toBinary(MessageContentSchema, create(MessageContentSchema, { content }));
      const stored = await say(tom, toUser(jerry.userId), "", { content: { content } });
      const [read] = await historyOf(jerry, toUser(tom.userId));
      const [event] = (await eventsAfter(jerry.rpc, cursor)).events;
      for (const message of [stored, read, event && messageOf(event)])
        expect(toBinary(MessageContentSchema, must(message?.content))).toEqual(sent);
    },
  );

  test("takes messages to oneself and to strangers", async () => {
    const [tom] = await newPair(server);
    expect((await say(tom, toUser(tom.userId), "note")).seq).toBe(1);
    expect(textsOf((await eventsAfter(tom.rpc, (await tom.rpc.message.listEvents({})).cursor)).events)).toEqual([]);
    expect(await historyOf(tom, toUser(tom.userId))).toHaveLength(1);
  });
});

describe("I5: seq is dense and equals commit order", () => {
  test("under 64 senders to one conversation, with times that never fall", async () => {
    const users = await newUsers(
      server,
      count(64).map((at) => `sender${at}`),
    );
    const [owner] = users;
    const group = await newGroup(must(owner), users.slice(1));
    const { cursor } = await must(owner).rpc.message.listEvents({});
    const sent = await Promise.all(
      users.flatMap((user) => count(4).map((at) => say(user, toGroup(group), `${user.userId} ${at}`))),
    );
    expect(sent.map((message) => message.seq).sort((a, b) => a - b)).toEqual(count(256));
    const told = (await eventsAfter(must(owner).rpc, cursor)).events.map((event) => must(messageOf(event)));
    expect(told.map((message) => message.seq)).toEqual(count(256));
    const times = told.map((message) => millis(message.createTime));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(new Set(sent.map((message) => message.messageId)).size).toBe(256);
  });

  test("under 64 senders to many conversations", async () => {
    const users = await newUsers(
      server,
      count(64).map((at) => `mesh${at}`),
    );
    const peers = users.slice(0, 3);
    const sent = await Promise.all(
      users.flatMap((user) => peers.flatMap((peer) => count(2).map(() => say(user, toUser(peer.userId), "x")))),
    );
    const seqs = new Map<string, number[]>();
    for (const { conversationId, seq } of sent) seqs.set(conversationId, [...(seqs.get(conversationId) ?? []), seq]);
    expect(sent).toHaveLength(384);
    for (const list of seqs.values()) expect(list.sort((a, b) => a - b)).toEqual(count(list.length));
  });
});

describe("I4: one client_message_id never makes two messages", () => {
  const once = (clientMessageId: string, attributes: JsonObject): SendInit => ({ clientMessageId, attributes });

  test("the order of keys in free data is no difference; anything said otherwise is a conflict", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const peer = toUser(jerry.userId);
    const first = await say(tom, peer, "hi", once("k", { a: 1, b: { c: [1, 2], d: 2 } }));
    const again = await send(tom, peer, "hi", once("k", { b: { d: 2, c: [1, 2] }, a: 1 }));
    expect(again).toMatchObject({ deduplicated: true, message: { messageId: first.messageId } });
    const conflict = { code: "AlreadyExists", reason: "IDEMPOTENCY_CONFLICT", field: "client_message_id" };
    const differences: SendInit[] = [
      { content: text("ho") },
      { attributes: { a: 1, b: { c: [2, 1], d: 2 } } },
      { remark: "other" },
      { push: { title: "other" } },
      { mentions: { everyone: true } },
      { replyToMessageId: first.messageId },
      { receiver: toUser(spike.userId) },
    ];
    for (const difference of differences)
      expect(
        await refused(send(tom, peer, "hi", { ...once("k", { a: 1, b: { c: [1, 2], d: 2 } }), ...difference })),
      ).toEqual(conflict);
    // The key is the sender's own.
    expect(await send(spike, peer, "hi", once("k", {}))).toMatchObject({ deduplicated: false });
  });

  test("without an id, a repeat is a second message", async () => {
    const [tom, jerry] = await newPair(server);
    const [a, b] = [await say(tom, toUser(jerry.userId), "hi"), await say(tom, toUser(jerry.userId), "hi")];
    expect([b.seq - a.seq, a.clientMessageId === b.clientMessageId]).toEqual([1, false]);
  });
});

describe("who may not", () => {
  test("an unknown user, and another app's user, get one answer", async () => {
    const [tom] = await newPair(server);
    const foreign = await newUser(await otherApp(server));
    const answers = await Promise.all(["nobody", foreign.userId].map((id) => refusal(send(tom, toUser(id), "hi"))));
    for (const answer of answers) expect(answer).toMatchObject(nowhere);
    expect(answers[0]?.message).toBe(answers[1]?.message);
  });

  test("those outside a group or room, and those in one that is not there", async () => {
    const [tom, jerry] = await newPair(server);
    const [group, room] = [await newGroup(tom, []), await newRoom(tom, [])];
    const outside = { code: "PermissionDenied", reason: "NOT_MEMBER", field: "" };
    expect(await refused(send(jerry, toGroup(group), "hi"))).toEqual(outside);
    expect(await refused(send(jerry, toRoom(room), "hi"))).toEqual(outside);
    expect(await refused(send(jerry, toGroup("none"), "hi"))).toEqual({ ...nowhere, field: "receiver.group_id" });
    expect(await refused(send(jerry, toRoom("none"), "hi"))).toEqual({ ...nowhere, field: "receiver.room_id" });
  });

  test("strangers, when the app turned them off", async () => {
    const app = await otherApp(server, { allowStrangerMessages: false });
    const [tom, jerry] = await newPair(app);
    const refusalOfStranger = { code: "PermissionDenied", reason: "NOT_FRIEND", field: "receiver.user_id" };
    expect(await refused(send(tom, toUser(jerry.userId), "hi"))).toEqual(refusalOfStranger);
    expect(await refused(send(tom, toUser("nobody"), "hi"))).toEqual(nowhere);
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    expect((await say(jerry, toUser(tom.userId), "hi")).seq).toBe(1);
    await jerry.rpc.friend.removeFriend({ userId: tom.userId });
    expect(await refused(send(tom, toUser(jerry.userId), "hi"))).toEqual(refusalOfStranger);
    expect((await say(tom, toUser(tom.userId), "note")).seq).toBe(1);
  });

  test("the muted, until they are not", async () => {
    const [tom, jerry] = await newPair(server);
    const group = await newGroup(tom, [jerry]);
    const mute = (untilMs: number) =>
      tom.rpc.group.updateGroupMember({
        groupId: group,
        userId: jerry.userId,
        muteUntilTime: timestampFromMs(untilMs),
      });
    await mute(Date.now() + 60_000);
    expect(await refused(send(jerry, toGroup(group), "hi"))).toEqual({
      code: "PermissionDenied",
      reason: "MUTED",
      field: "",
    });
    await mute(Date.now() - 1);
    expect((await say(jerry, toGroup(group), "hi")).seq).toBe(1);
  });

  test("guests outside one-to-one", async () => {
    const [tom] = await newPair(server);
    const guest = await newGuest(server);
    const [group, room] = [await newGroup(tom, []), await newRoom(tom, [])];
    for (const peer of [toGroup(group), toRoom(room)])
      expect(await refused(send(guest, peer, "hi"))).toMatchObject({
        code: "PermissionDenied",
        reason: "ROLE_TOO_LOW",
      });
    expect((await say(guest, toUser(tom.userId), "hi")).seq).toBe(1);
    expect((await say(tom, toUser(guest.userId), "hi")).seq).toBe(2);
  });

  test("anyone with a notice, to everyone, to the system or to nobody", async () => {
    const [tom, jerry] = await newPair(server);
    const notice: SendInit = { content: { content: { case: "notice", value: { text: "joined" } } } };
    const invalid = (field: string) => ({ code: "InvalidArgument", reason: "INVALID_FIELD", field });
    expect(await refused(send(tom, toUser(jerry.userId), "", notice))).toEqual(invalid("content.notice"));
    for (const peer of [toEveryone, toSystem])
      expect(await refused(send(tom, peer, "hi"))).toEqual(invalid("receiver"));
    expect(await refused(tom.rpc.message.sendMessage({ content: text("hi") }))).toEqual(invalid("receiver"));
    expect(await refused(tom.rpc.message.sendMessage({ receiver: toUser("x") }))).toEqual(invalid("content"));
  });
});

describe("reply_to_message_id", () => {
  test("names a message of the same conversation that the sender can see", async () => {
    const [tom, jerry] = await newPair(server);
    const group = await newGroup(tom, []);
    const [early, elsewhere] = [
      await say(tom, toGroup(group), "early"),
      await say(tom, toUser(jerry.userId), "direct"),
    ];
    await tom.rpc.group.addGroupMembers({ groupId: group, userIds: [jerry.userId] });
    const late = await say(tom, toGroup(group), "late");
    const reply = (message: ChatMessage | { messageId: string }) =>
      send(jerry, toGroup(group), "re", { replyToMessageId: message.messageId });
    expect((await reply(late)).message?.replyToMessageId).toBe(late.messageId);
    const unseen = { code: "NotFound", reason: "NOT_FOUND", field: "reply_to_message_id" };
    for (const message of [early, elsewhere, { messageId: "none" }])
      expect(await refused(reply(message))).toEqual(unseen);
    await tom.rpc.group.updateGroup({ groupId: group, historyForNewMembers: true });
    expect((await reply(early)).message?.replyToMessageId).toBe(early.messageId);
  });
});
