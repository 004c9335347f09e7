import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { eventually, refusal, startTestServer, subscribe, type TestServer, type TestUser } from "../support/index.js";
import {
  count,
  eventsAfter,
  messageOf,
  newGroup,
  newGuest,
  newPair,
  newRoom,
  newUsers,
  otherApp,
  type SendInit,
  say,
  says,
  send,
  type To,
  textsOf,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";
import { refused } from "./watching.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const passing = (clientMessageId = ""): SendInit => ({ transient: true, clientMessageId });

/** Two users, and the three places they talk in, with a place's name. */
async function places(): Promise<{ tom: TestUser; jerry: TestUser; all: [string, To][] }> {
  const [tom, jerry] = await newPair(server);
  const all: [string, To][] = [
    ["user", toUser(jerry.userId)],
    ["group", toGroup(await newGroup(tom, [jerry]))],
    ["room", toRoom(await newRoom(tom, [jerry]))],
  ];
  return { tom, jerry, all };
}

describe("P9: a transient message", () => {
  test("reaches those online, once, without a cursor, and nothing keeps it", async () => {
    const { tom, jerry, all } = await places();
    const before = await jerry.rpc.message.listEvents({});
    const stream = await subscribe(jerry);
    for (const [name, place] of all) {
      const sent = await say(tom, place, name, passing());
      expect(sent).toMatchObject({
        seq: 0,
        transient: true,
        sender: { sender: { value: tom.userId } },
        receiver: place,
      });
      const event = await stream.event(says(name));
      expect(event.cursor).toBe("");
      expect(messageOf(event)).toEqual(sent);
    }
    expect(textsOf(stream.events())).toEqual(["user", "group", "room"]);
    expect((await eventsAfter(jerry.rpc, before.cursor)).events).toEqual([]);
    for (const peer of [toUser(tom.userId), all[1]?.[1]] as To[]) {
      expect(await jerry.rpc.history.listMessages({ peer })).toMatchObject({ messages: [], headSeq: 0 });
      expect((await jerry.rpc.conversation.getConversation({ peer })).conversation?.unreadCount).toBe(0);
    }
    expect(await jerry.rpc.conversation.listConversations({})).toMatchObject({ conversations: [], unreadTotal: 0 });
    await stream.close();
  });

  test("never comes later to one who was away, and a resume finds the durable ones alone", async () => {
    const { tom, jerry, all } = await places();
    const { cursor } = await jerry.rpc.message.listEvents({});
    for (const [name, place] of all) await say(tom, place, name, passing());
    await say(tom, toUser(jerry.userId), "stored");
    const stream = await subscribe(jerry, { cursor });
    await say(tom, toUser(jerry.userId), "now");
    await stream.event(says("now"));
    expect(textsOf(stream.events())).toEqual(["stored", "now"]);
    await stream.close();
  });

  test("to a room is transient with or without the switch", async () => {
    const { tom, all } = await places();
    expect(await say(tom, all[2]?.[1] as To, "talk")).toMatchObject({ transient: true, seq: 0, conversationId: "" });
  });

  test("comes to the sender's other devices too, as a stored one does", async () => {
    const { tom, all } = await places();
    const own = await subscribe(tom);
    for (const [name, place] of all) await say(tom, place, name, passing());
    await own.event(says("room"));
    expect(textsOf(own.events())).toEqual(["user", "group", "room"]);
    await own.close();
  });
});

describe("a repeat", () => {
  test("is answered and not delivered; another payload is a conflict", async () => {
    const { tom, jerry, all } = await places();
    const stream = await subscribe(jerry);
    for (const [name, place] of all) {
      const [first, again] = [await send(tom, place, name, passing(name)), await send(tom, place, name, passing(name))];
      expect([first.deduplicated, again.deduplicated]).toEqual([false, true]);
      expect(again.message).toEqual(first.message);
      expect(await refused(send(tom, place, "other", passing(name)))).toMatchObject({ reason: "IDEMPOTENCY_CONFLICT" });
    }
    await say(tom, toUser(jerry.userId), "end");
    await stream.event(says("end"));
    expect(textsOf(stream.events())).toEqual(["user", "group", "room", "end"]);
    await stream.close();
  });

  test("after two minutes is a message of its own", async () => {
    const clock = fakeClock();
    const own = await startTestServer({ clock });
    const [tom, jerry] = await newPair(own);
    const again = async () => (await send(tom, toUser(jerry.userId), "hi", passing("key"))).deduplicated;
    expect([await again(), await again()]).toEqual([false, true]);
    clock.advance(119_999);
    expect(await again()).toBe(true);
    clock.advance(1);
    expect(await again()).toBe(false);
    await own.close();
  });
});

test("who may not send a stored message may not send a transient one", async () => {
  const [tom, jerry] = await newPair(server);
  const group = await newGroup(tom, []);
  const [guest, app] = [await newGuest(server), await otherApp(server, { allowStrangerMessages: false })];
  const strangers = await newPair(app);
  const cases: [TestUser, To, string][] = [
    [tom, toUser("nobody"), "NOT_FOUND"],
    [jerry, toGroup(group), "NOT_MEMBER"],
    [jerry, toGroup("none"), "NOT_FOUND"],
    [guest, toGroup(group), "ROLE_TOO_LOW"],
    [strangers[0], toUser(strangers[1].userId), "NOT_FRIEND"],
  ];
  for (const [user, place, reason] of cases)
    expect((await refusal(send(user, place, "x", passing()))).reason).toBe(reason);
});

test("transient sends have a rate of their own, beside that of stored ones", async () => {
  // A clock that stands still, so that no slow machine gives the rates time to allow more.
  const own = await startTestServer({
    clock: fakeClock(Date.now()),
    settings: { sendRate: 1 },
    limits: { sendBurstMessages: 2, transientSendsPerSecond: 5 },
  });
  const [tom, jerry] = await newPair(own);
  const sends = (rest: SendInit) => send(tom, toUser(jerry.userId), "x", rest);
  for (const _ of count(5)) await sends(passing());
  expect(await refusal(sends(passing()))).toMatchObject({ reason: "RATE_LIMITED", code: "ResourceExhausted" });
  for (const _ of count(2)) await sends({});
  expect((await refusal(sends({}))).reason).toBe("RATE_LIMITED");
  await own.close();
});

describe("typing", () => {
  test("is told to the other side as the reader addresses it, and to members, but not to the one who types", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const group = await newGroup(tom, [jerry]);
    const streams = await Promise.all([jerry, spike].map((user) => subscribe(user)));
    await tom.rpc.message.setTyping({ peer: toUser(jerry.userId), typing: true });
    await tom.rpc.message.setTyping({ peer: toGroup(group), typing: true });
    await tom.rpc.message.setTyping({ peer: toGroup(group), typing: false });
    const told = await eventually(() => {
      const seen = streams[0]?.events() ?? [];
      expect(seen).toHaveLength(3);
      return seen.map(({ cursor, event }) => {
        const { peer, userId, typing } = event.case === "typingChanged" ? event.value : {};
        return { cursor, peer: peer?.peer, userId, typing };
      });
    });
    const own = { cursor: "", userId: tom.userId };
    expect(told).toEqual([
      { ...own, peer: toUser(tom.userId).peer, typing: true },
      { ...own, peer: toGroup(group).peer, typing: true },
      { ...own, peer: toGroup(group).peer, typing: false },
    ]);
    expect(streams[1]?.events()).toEqual([]);
    for (const stream of streams) await stream.close();
  });

  test("is passed on once a second for one peer, and its end always", async () => {
    const clock = fakeClock();
    const own = await startTestServer({ clock });
    const [tom, jerry] = await newPair(own);
    const stream = await subscribe(jerry);
    const type = (typing: boolean) => tom.rpc.message.setTyping({ peer: toUser(jerry.userId), typing });
    for (const typing of [true, true, true, false]) await type(typing);
    clock.advance(1000);
    await type(true);
    await eventually(() => {
      const seen = stream.events().map(({ event }) => event.case === "typingChanged" && event.value.typing);
      expect(seen).toEqual([true, false, true]);
    });
    await stream.close();
    await own.close();
  });

  test("in a place of others is refused", async () => {
    const [tom, jerry] = await newPair(server);
    const group = await newGroup(tom, []);
    const type = (peer: To) => refusal(jerry.rpc.message.setTyping({ peer, typing: true }));
    expect(await type(toGroup(group))).toMatchObject({ reason: "NOT_MEMBER" });
    expect(await type(toUser("nobody"))).toMatchObject({ reason: "NOT_FOUND" });
  });
});
