import { MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  backend,
  newUser,
  refusal,
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
  newDevice,
  newGroup,
  newGuest,
  newRoom,
  newUsers,
  otherApp,
  type SendInit,
  say,
  says,
  type To,
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

const announce = (receiver: To, words: string, rest: SendInit = {}, on = server) => {
  const { content = text(words), clientMessageId = "", remark = "" } = rest;
  return backend(on).admin.sendSystemMessage({ receiver, content, clientMessageId, remark });
};
const threeUsers = async (on = server) =>
  (await newUsers(on, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
const cursorOf = async (user: TestUser) => (await user.rpc.message.listEvents({})).cursor;

describe("a system message", () => {
  test("to a user stands in that user's system conversation, counts as unread, and nobody else hears it", async () => {
    const [tom, jerry] = await threeUsers();
    const [cursor, ofTom] = [await cursorOf(jerry), await cursorOf(tom)];
    const stream = await subscribe(jerry);
    const sent = must((await announce(toUser(jerry.userId), "welcome", { remark: "r" })).message);
    expect(sent).toMatchObject({
      seq: 1,
      sender: { sender: { case: "system" } },
      receiver: toUser(jerry.userId),
      state: MessageState.ACTIVE,
      remark: "r",
      transient: false,
    });
    const event = await stream.event(says("welcome"));
    expect([event.kind, messageOf(event)]).toEqual([EventKind.SYSTEM_MESSAGE, sent]);
    await stream.close();
    expect((await eventsAfter(jerry.rpc, cursor)).events).toEqual([event]);
    expect((await eventsAfter(tom.rpc, ofTom)).events).toEqual([]);
    expect((await jerry.rpc.history.listMessages({ peer: toSystem })).messages).toEqual([sent]);
    expect((await tom.rpc.history.listMessages({ peer: toSystem })).messages).toEqual([]);
    const { conversation } = await jerry.rpc.conversation.getConversation({ peer: toSystem });
    expect(conversation).toMatchObject({ conversationId: sent.conversationId, headSeq: 1, unreadCount: 1 });
    expect(await jerry.rpc.conversation.markRead({ peer: toSystem })).toMatchObject({ readSeq: 1, unreadCount: 0 });
  });

  test("to a group stands in the group's history between the others' messages", async () => {
    const [tom, jerry, spike] = await threeUsers();
    const group = await newGroup(tom, [jerry]);
    const [cursor, outside] = [await cursorOf(jerry), await cursorOf(spike)];
    await say(tom, toGroup(group), "1");
    const sent = must((await announce(toGroup(group), "2")).message);
    await say(tom, toGroup(group), "3");
    expect(sent).toMatchObject({ seq: 2, receiver: toGroup(group) });
    const { events } = await eventsAfter(jerry.rpc, cursor);
    expect(textsOf(events)).toEqual(["1", "2", "3"]);
    expect(events.map((event) => event.kind)).toEqual([1, EventKind.SYSTEM_MESSAGE, 1]);
    expect((await jerry.rpc.history.listMessages({ peer: toGroup(group) })).messages[1]).toEqual(sent);
    expect((await eventsAfter(spike.rpc, outside)).events).toEqual([]);
  });

  test("to a room reaches its members online now, and nothing keeps it", async () => {
    const [tom, jerry, spike] = await threeUsers();
    const room = await newRoom(tom, [jerry]);
    const cursor = await cursorOf(jerry);
    const [inside, outside] = [await subscribe(jerry), await subscribe(spike)];
    const { message } = await announce(toRoom(room), "now");
    expect(message).toMatchObject({ seq: 0, transient: true, conversationId: "" });
    expect(await inside.event(says("now"))).toMatchObject({ cursor: "", kind: EventKind.SYSTEM_MESSAGE });
    await announce(toUser(spike.userId), "end");
    await outside.event(says("end"));
    expect(textsOf(outside.events())).toEqual(["end"]);
    expect((await eventsAfter(jerry.rpc, cursor)).events).toEqual([]);
    await inside.close();
    await outside.close();
  });

  test("to everyone is one durable event for those who exist then: no seq, history or unread", async () => {
    const app = await otherApp(server);
    const [tom, jerry] = await threeUsers(app);
    const guest = await newGuest(app);
    const foreign = await newUser(server);
    const cursors = await Promise.all([jerry, guest, foreign].map(cursorOf));
    const stream = await subscribe(tom);
    const sent = must((await announce(toEveryone, "to all", {}, app)).message);
    expect(sent).toMatchObject({
      seq: 0,
      conversationId: "",
      receiver: { peer: { case: "everyone" } },
      transient: false,
    });
    const event = await stream.event(says("to all"));
    expect([event.kind, event.cursor === "", messageOf(event)]).toEqual([EventKind.SYSTEM_MESSAGE, false, sent]);
    await stream.close();
    expect((await eventsAfter(jerry.rpc, must(cursors[0]))).events).toEqual([event]);
    expect((await eventsAfter(guest.rpc, must(cursors[1]))).events).toEqual([event]);
    expect((await eventsAfter(foreign.rpc, must(cursors[2]))).events).toEqual([]);
    expect((await jerry.rpc.history.listMessages({ peer: toSystem })).messages).toEqual([]);
    expect(await jerry.rpc.conversation.listConversations({})).toMatchObject({ conversations: [], unreadTotal: 0 });
    expect(await refused(jerry.rpc.history.getMessage({ messageId: sent.messageId }))).toMatchObject({
      reason: "NOT_FOUND",
    });
    // A cursor is only a place, so a later user may hold an earlier one; it sees nothing from before it came to be.
    const late = await newUser(app, "late");
    expect((await eventsAfter(late.rpc, must(cursors[0]))).events).toEqual([]);
    const resumed = await subscribe(await newDevice(app, late), { cursor: must(cursors[0]) });
    expect(resumed.events()).toEqual([]);
    await resumed.close();
  });
});

describe("I4: a repeat", () => {
  test("of any receiver is answered with the first, 20 at once too; another payload is a conflict", async () => {
    const [tom, jerry] = await threeUsers();
    const [group, room] = [await newGroup(tom, [jerry]), await newRoom(tom, [jerry])];
    const stream = await subscribe(jerry);
    const receivers = [toUser(jerry.userId), toGroup(group), toRoom(room), toEveryone];
    for (const [at, receiver] of receivers.entries()) {
      const clientMessageId = `key-${jerry.userId}-${at}`.slice(0, 64);
      const answers = await Promise.all(count(20).map(() => announce(receiver, `m${at}`, { clientMessageId })));
      expect(answers.filter((answer) => !answer.deduplicated)).toHaveLength(1);
      for (const answer of answers) expect(answer.message).toEqual(answers[0]?.message);
      const other = await refused(announce(receiver, "other", { clientMessageId }));
      expect(other).toEqual({ code: "AlreadyExists", reason: "IDEMPOTENCY_CONFLICT", field: "client_message_id" });
    }
    await stream.event(says("m3"));
    await announce(toUser(jerry.userId), "end");
    await stream.event(says("end"));
    expect(textsOf(stream.events())).toEqual(["m0", "m1", "m2", "m3", "end"]);
    await stream.close();
  });
});

describe("who and what", () => {
  test("only the app's backend, to a receiver of its own app", async () => {
    const [tom] = await threeUsers();
    const other = await otherApp(server);
    const foreign = await newUser(other);
    const group = await newGroup(foreign, []);
    const room = await newRoom(foreign, []);
    for (const rpc of [tom.rpc, backend(server).as(tom.userId)])
      expect(await refusal(rpc.admin.sendSystemMessage({ receiver: toEveryone, content: text("x") }))).toMatchObject({
        code: "Unauthenticated",
        reason: "UNAUTHENTICATED",
      });
    const cases: [To, string][] = [
      [toUser("nobody"), "receiver.user_id"],
      [toUser(foreign.userId), "receiver.user_id"],
      [toGroup(group), "receiver.group_id"],
      [toRoom(room), "receiver.room_id"],
    ];
    for (const [receiver, field] of cases)
      expect(await refused(announce(receiver, "x"))).toEqual({ code: "NotFound", reason: "NOT_FOUND", field });
    expect(await refused(announce(toSystem, "x"))).toMatchObject({ reason: "INVALID_FIELD", field: "receiver.system" });
  });

  test("carries every content that users may send, and notices too, with the same limits", async () => {
    const [tom] = await threeUsers();
    const content: SendInit["content"] = {
      content: { case: "notice", value: { type: "join", text: "hi", data: { a: 1 } } },
    };
    expect((await announce(toUser(tom.userId), "", { content })).message?.content).toMatchObject(content);
    for (const receiver of [toUser(tom.userId), toEveryone]) {
      expect((await announce(receiver, "x".repeat(8192))).deduplicated).toBe(false);
      expect(await refused(announce(receiver, "x".repeat(8193)))).toMatchObject({ reason: "TOO_LARGE" });
      expect(await refused(announce(receiver, "\0"))).toMatchObject({
        reason: "INVALID_FIELD",
        field: "content.text.text",
      });
    }
  });
});
