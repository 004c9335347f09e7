import { create, fromJson, type JsonObject, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { StructSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ChatMessage, MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
import { MessageContentSchema } from "@parley/proto/parley/v1/message_content_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { backend, newUser, refusal, startTestServer, subscribe, type TestServer } from "../support/index.js";
import {
  count,
  eventsAfter,
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

const historyOf = async (
  reader: Awaited<ReturnType<typeof newUser>>,
  receiver: ReturnType<typeof toUser | typeof toGroup>,
) => (await reader.rpc.history.listMessages({ peer: receiver, pageSize: 100 })).messages;
const nowhere = { code: "NotFound", reason: "NOT_FOUND", field: "receiver.user_id" };
const tooLarge = (field: string, limit: number) => ({
  code: "ResourceExhausted",
  reason: "TOO_LARGE",
  field,
  limit: String(limit),
});

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

  const kinds: MessageInitShape<typeof MessageContentSchema>["content"][] = [
    { case: "text", value: { text: "é 漢字 👨‍👩‍👧 \u202e \ufeff e\u0301\n" } },
    ...(["image", "audio", "video", "file"] as const).map((kind) => ({
      case: kind,
      value: {
        attachmentId: "a-1",
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

  test("100 repeats at once store one and answer all alike", async () => {
    const [tom, jerry] = await newPair(server);
    const answers = await Promise.all(
      count(100).map(() => send(tom, toUser(jerry.userId), "hi", { clientMessageId: "one" })),
    );
    expect(answers.filter((answer) => answer.deduplicated)).toHaveLength(99);
    for (const answer of answers) expect(answer.message).toEqual(answers[0]?.message);
    expect(await historyOf(jerry, toUser(tom.userId))).toHaveLength(1);
  });

  test("the order of keys in free data is no difference; anything said otherwise is a conflict", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [never, never, never];
    const peer = toUser((jerry as { userId: string }).userId);
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
      { receiver: toUser((spike as { userId: string }).userId) },
    ];
    for (const difference of differences)
      expect(
        await refused(send(tom, peer, "hi", { ...once("k", { a: 1, b: { c: [1, 2], d: 2 } }), ...difference })),
      ).toEqual(conflict);
    // The key is the sender's own.
    expect(await send(spike, peer, "hi", once("k", {}))).toMatchObject({ deduplicated: false });
  });

  test("a repeat after a restart, and after the sender lost the right to send, gets the first answer", async () => {
    const own = await startTestServer();
    const [tom, jerry] = await newPair(own);
    const group = await newGroup(jerry, [tom]);
    const first = await say(tom, toGroup(group), "hi", { clientMessageId: "k" });
    await jerry.rpc.group.removeGroupMembers({ groupId: group, userIds: [tom.userId] });
    const again = await own.restart();
    const later = { rpc: backend(again).as(tom.userId) };
    expect(await send(later, toGroup(group), "hi", { clientMessageId: "k" })).toMatchObject({
      deduplicated: true,
      message: { messageId: first.messageId, seq: 1 },
    });
    expect((await refusal(send(later, toGroup(group), "hi", { clientMessageId: "k2" }))).reason).toBe("NOT_MEMBER");
    await again.close();
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

describe("limits, at the edge and one past it", () => {
  const structOf = (bytes: number): JsonObject => {
    // In two halves, so that no length is near where its own encoding grows.
    const filled = (length: number) => ({ a: "x".repeat(8000), b: "x".repeat(length) });
    const sizeOf = (value: JsonObject) => toBinary(StructSchema, fromJson(StructSchema, value)).length;
    const made = filled(8000 + bytes - sizeOf(filled(8000)));
    if (sizeOf(made) !== bytes) throw new Error("the struct has another size");
    return made;
  };
  const deep = (levels: number): JsonObject => (levels === 1 ? { x: 1 } : { x: deep(levels - 1) });
  const custom = (data: JsonObject): SendInit => ({
    content: { content: { case: "custom", value: { type: "t", data } } },
  });
  const cases: [string, SendInit, SendInit, object][] = [
    [
      "text, in bytes",
      { content: text("x".repeat(8192)) },
      { content: text("x".repeat(8193)) },
      tooLarge("content.text.text", 8192),
    ],
    [
      "text of wide characters",
      { content: text("é".repeat(4096)) },
      { content: text("漢".repeat(2731)) },
      tooLarge("content.text.text", 8192),
    ],
    ["remark", { remark: "r".repeat(1024) }, { remark: "r".repeat(1025) }, tooLarge("remark", 1024)],
    [
      "attributes, in bytes",
      { attributes: structOf(16_384) },
      { attributes: structOf(16_385) },
      tooLarge("attributes", 16_384),
    ],
    ["attributes, in levels", { attributes: deep(16) }, { attributes: deep(17) }, tooLarge("attributes", 16)],
    [
      "custom data, in bytes",
      custom(structOf(16_384)),
      custom(structOf(16_385)),
      tooLarge("content.custom.data", 16_384),
    ],
    ["custom data, in levels", custom(deep(16)), custom(deep(17)), tooLarge("content.custom.data", 16)],
    [
      "mentions",
      { mentions: { userIds: count(50).map(String) } },
      { mentions: { userIds: count(51).map(String) } },
      tooLarge("mentions.user_ids", 50),
    ],
    [
      "client_message_id",
      { clientMessageId: "c".repeat(64) },
      { clientMessageId: "c".repeat(65) },
      { code: "InvalidArgument", reason: "INVALID_FIELD", field: "client_message_id" },
    ],
  ];
  test.each(cases)("%s", async (_, edge, past, refusalPast) => {
    const [tom, jerry] = await newPair(server);
    const stored = await say(tom, toUser(jerry.userId), "x", edge);
    expect(await refused(send(tom, toUser(jerry.userId), "x", past))).toEqual(refusalPast);
    expect(await historyOf(jerry, toUser(tom.userId))).toEqual([stored]);
  });

  test("NUL is refused in every text, naming the field", async () => {
    const [tom, jerry] = await newPair(server);
    const places: [string, SendInit][] = [
      ["content.text.text", { content: text("a\0b") }],
      ["remark", { remark: "\0" }],
      ["attributes", { attributes: { key: { list: ["a\0"] } } }],
      ["attributes", { attributes: { "k\0": 1 } }],
      ["content.custom.data", custom({ a: "\0" })],
      ["push.title", { push: { title: "\0" } }],
    ];
    for (const [field, rest] of places)
      expect(await refused(send(tom, toUser(jerry.userId), "x", rest))).toEqual({
        code: "InvalidArgument",
        reason: "INVALID_FIELD",
        field,
      });
  });

  test("sends a second for one user, saying when to come back", async () => {
    const clock = fakeClock();
    const own = await startTestServer({ clock, settings: { sendRate: 2 }, limits: { sendBurstMessages: 5 } });
    const [tom, jerry] = await newPair(own);
    const hi = () => send(tom, toUser(jerry.userId), "hi");
    for (const _ of count(5)) await hi();
    const { code, reason, detail } = await refusal(hi());
    expect([code, reason, detail.retryable]).toEqual(["ResourceExhausted", "RATE_LIMITED", true]);
    expect(detail.retryDelay).toMatchObject({ seconds: 0n, nanos: 500_000_000 });
    expect((await say(jerry, toUser(tom.userId), "others may")).seq).toBe(6);
    clock.advance(500);
    await hi();
    expect((await refusal(hi())).reason).toBe("RATE_LIMITED");
    await own.close();
  });
});
