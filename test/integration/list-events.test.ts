import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { backend, newUser, refusal, startTestServer, subscribe, type TestServer, withToken } from "../support/index.js";
import {
  count,
  eventsAfter,
  newGroup,
  newPair,
  otherApp,
  say,
  textsOf,
  toGroup,
  toUser,
} from "../support/messaging.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const wait = durationFromMs(25_000);

test("an empty cursor gives no events and the cursor of now", async () => {
  const [tom, jerry] = await newPair(server);
  await say(tom, toUser(jerry.userId), "before");
  const { events, cursor } = await jerry.rpc.message.listEvents({});
  expect(events).toEqual([]);
  await say(tom, toUser(jerry.userId), "after");
  expect(textsOf((await jerry.rpc.message.listEvents({ cursor })).events)).toEqual(["after"]);
});

test("pages hold every event once and in order, of every size, and the same as Subscribe", async () => {
  const [tom, jerry] = await newPair(server);
  const group = await newGroup(tom, [jerry]);
  const { cursor } = await jerry.rpc.message.listEvents({});
  for (const at of count(25)) await say(tom, at % 2 === 0 ? toGroup(group) : toUser(jerry.userId), `m${at}`);
  const stream = await subscribe(jerry, { cursor });
  expect(stream.events()).toHaveLength(25);
  for (const pageSize of [0, 1, 7, 25, 100]) {
    const events = [];
    let at = cursor;
    for (let pages = 0; events.length < 25; pages++) {
      const page = await jerry.rpc.message.listEvents({ cursor: at, pageSize });
      expect(page.events.length).toBeLessThanOrEqual(pageSize === 0 ? 20 : pageSize);
      expect(pages).toBeLessThan(26);
      if (page.events.length > 0 && events.length + page.events.length < 25)
        expect(page.cursor).toBe(page.events.at(-1)?.cursor);
      events.push(...page.events);
      at = page.cursor;
    }
    expect(events).toEqual(stream.events());
    // Each event's own cursor is a place to go on from.
    expect((await eventsAfter(jerry.rpc, events[11]?.cursor ?? "")).events).toEqual(events.slice(12));
  }
  await stream.close();
});

test("the largest page is 100", async () => {
  const [tom] = await newPair(server);
  expect(await refusal(tom.rpc.message.listEvents({ pageSize: 101 }))).toMatchObject({ field: "page_size" });
  expect(await refusal(tom.rpc.message.listEvents({ wait: durationFromMs(25_001) }))).toMatchObject({ field: "wait" });
});

test("a wait ends as soon as an event comes, or when it is over", async () => {
  const [tom, jerry] = await newPair(server);
  const { cursor } = await jerry.rpc.message.listEvents({});
  const began = performance.now();
  const waiting = jerry.rpc.message.listEvents({ cursor, wait });
  await say(tom, toUser(tom.userId), "for others, and it waits on");
  await say(tom, toUser(jerry.userId), "hi");
  expect(textsOf((await waiting).events)).toEqual(["hi"]);
  expect(performance.now() - began).toBeLessThan(5000);
  const next = await jerry.rpc.message.listEvents({});
  expect((await jerry.rpc.message.listEvents({ cursor: next.cursor, wait: durationFromMs(50) })).events).toEqual([]);
  expect(performance.now() - began).toBeGreaterThanOrEqual(49);
});

test("a wait that its caller gives up ends", async () => {
  const [tom] = await newPair(server);
  const { cursor } = await tom.rpc.message.listEvents({});
  const leaving = new AbortController();
  const waiting = refusalOfAbort(tom.rpc.message.listEvents({ cursor, wait }, { signal: leaving.signal }));
  leaving.abort();
  expect(await waiting).toContain("abort");
});

async function refusalOfAbort(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => "an answer",
    (error: unknown) => String(error),
  );
}

test("the cursor moves on when nothing is for the caller, past any number of events of others", async () => {
  const [tom, jerry] = await newPair(server);
  const { cursor } = await jerry.rpc.message.listEvents({});
  await say(tom, toUser(tom.userId), "x");
  const later = await jerry.rpc.message.listEvents({ cursor });
  expect(later.events).toEqual([]);
  expect(later.cursor).not.toBe(cursor);
  expect((await jerry.rpc.message.listEvents({ cursor: later.cursor })).cursor).toBe(later.cursor);
});

test("a service key reads a user's events as that user would", async () => {
  const [tom, jerry] = await newPair(server);
  const acting = backend(server).as(jerry.userId).message;
  const { cursor } = await acting.listEvents({});
  await say(tom, toUser(jerry.userId), "hi");
  expect(textsOf((await acting.listEvents({ cursor })).events)).toEqual(["hi"]);
});

test("cursors that are malformed, altered, foreign or ahead are refused, telling which field", async () => {
  const [tom, jerry] = await newPair(server);
  const foreign = await newUser(await otherApp(server));
  await say(foreign, toUser(foreign.userId), "x");
  const { cursor } = await jerry.rpc.message.listEvents({});
  const middle = cursor.length / 2;
  const flipped = cursor.slice(0, middle) + (cursor[middle] === "A" ? "B" : "A") + cursor.slice(middle + 1);
  const cursors = [
    flipped,
    cursor.slice(1),
    `${cursor}A`,
    "nonsense",
    "é",
    (await foreign.rpc.message.listEvents({})).cursor,
  ];
  for (const bad of cursors)
    expect(await refusal(tom.rpc.message.listEvents({ cursor: bad }))).toMatchObject({
      code: "OutOfRange",
      reason: "CURSOR_INVALID",
      field: "cursor",
    });
  expect(await refusal(tom.rpc.message.listEvents({ cursor: "x".repeat(257) }))).toMatchObject({ reason: "TOO_LARGE" });
  expect(await refusal(tom.rpc.message.ackEvents({ cursor: flipped }))).toMatchObject({ reason: "CURSOR_INVALID" });
  await tom.rpc.message.ackEvents({ cursor });
  await tom.rpc.message.ackEvents({});
});

test("it makes nobody online", async () => {
  const [tom, jerry] = await newPair(server);
  await tom.rpc.friend.addFriend({ userId: jerry.userId });
  const { cursor } = await jerry.rpc.message.listEvents({});
  const waiting = jerry.rpc.message.listEvents({ cursor, wait });
  expect((await tom.rpc.user.getPresence({ userId: jerry.userId })).presence?.online).toBe(false);
  await say(tom, toUser(jerry.userId), "end");
  await waiting;
});

test("GET, as curl would call it", async () => {
  const [tom, jerry] = await newPair(server);
  const { cursor } = await jerry.rpc.message.listEvents({});
  await say(tom, toUser(jerry.userId), "hi");
  const message = encodeURIComponent(JSON.stringify({ cursor, pageSize: 10, wait: "1s" }));
  const url = `${server.url}/parley.v1.MessageService/ListEvents?connect=v1&encoding=json&message=${message}`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${jerry.token}` } });
  expect(answer.status).toBe(200);
  const { events } = (await answer.json()) as { events: { kind: string; messageCreated: object }[] };
  expect(events).toMatchObject([{ kind: "EVENT_KIND_MESSAGE_CREATED", messageCreated: { message: { seq: 1 } } }]);
});

test("a session that was ended waits no longer and reads nothing", async () => {
  const [tom, jerry] = await newPair(server);
  const { cursor } = await jerry.rpc.message.listEvents({});
  await jerry.rpc.auth.logout({});
  await say(tom, toUser(jerry.userId), "after");
  expect(await refusal(withToken(server, jerry.token).message.listEvents({ cursor }))).toMatchObject({
    code: "Unauthenticated",
    reason: "SESSION_REVOKED",
  });
});
