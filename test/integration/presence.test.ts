import { PresenceMode } from "@parley/proto/parley/v1/message_service_pb.js";
import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import {
  backend,
  eventually,
  startTestServer,
  subscribe,
  type TestServer,
  type TestStream,
  type TestUser,
  withToken,
} from "../support/index.js";
import { count, eventsAfter, millis, must, newDevice, newUsers, say, says, toUser } from "../support/messaging.js";

const clock = fakeClock();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.close());

/** Tom and Jerry, who are friends, and Spike, who is neither's. */
async function cast(on = server): Promise<[TestUser, TestUser, TestUser]> {
  const users = (await newUsers(on, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
  await users[0].rpc.friend.addFriend({ userId: users[1].userId });
  return users;
}

/** Lets what was held back be told: of one user one change in 5 s. */
const tell = () => clock.advance(5_000);

/** What a stream was told of presence, as "name on" and "name off". */
const told = (stream: TestStream): string[] =>
  stream
    .events()
    .flatMap(({ event }) =>
      event.case === "presenceChanged"
        ? [`${event.value.userId.split("-")[0]} ${event.value.online ? "on" : "off"}`]
        : [],
    );

/** Lets everything that was under way to a stream arrive, and tells what it was told of presence. */
async function toldBy(stream: TestStream, reader: TestUser): Promise<string[]> {
  const mark = `mark ${Math.random()}`;
  await say(reader, toUser(reader.userId), mark);
  await stream.event(says(mark));
  return told(stream);
}

const onlineTo = async (user: TestUser, userId: string) =>
  (await user.rpc.user.getPresence({ userId })).presence?.online;

/** Closes a stream and waits until the server knows. */
async function lose(stream: TestStream, user: TestUser): Promise<void> {
  await stream.close();
  await eventually(async () => {
    const { sessions } = await backend(server).as(user.userId).auth.listSessions({});
    expect(sessions.find((session) => session.sessionId === user.sessionId)?.online).toBe(false);
  });
}

describe("a user comes and goes", () => {
  test("friends are told at once, without a cursor; others never", async () => {
    const [tom, jerry, spike] = await cast();
    const { cursor } = await tom.rpc.message.listEvents({});
    const [watcher, stranger] = [await subscribe(tom), await subscribe(spike)];
    const stream = await subscribe(jerry);
    const event = await watcher.event((candidate) => candidate.kind === EventKind.PRESENCE_CHANGED);
    expect(event).toMatchObject({ cursor: "", event: { value: { userId: jerry.userId, online: true } } });
    expect(event.event.case === "presenceChanged" && millis(event.event.value.lastActiveTime)).toBe(clock.now());
    expect(await onlineTo(tom, jerry.userId)).toBe(true);
    expect(await toldBy(stranger, spike)).toEqual([]);
    expect((await eventsAfter(tom.rpc, cursor)).events).toEqual([]);
    for (const open of [watcher, stranger, stream]) await open.close();
  });

  test("a lost stream means offline after the grace of 10 s, to the millisecond", async () => {
    const [tom, jerry] = await cast();
    const watcher = await subscribe(tom);
    await lose(await subscribe(jerry), jerry);
    clock.advance(9_999);
    expect(await onlineTo(tom, jerry.userId)).toBe(true);
    expect(await toldBy(watcher, tom)).toEqual(["jerry on"]);
    clock.advance(1);
    await eventually(() => expect(told(watcher)).toEqual(["jerry on", "jerry off"]));
    expect(await onlineTo(tom, jerry.userId)).toBe(false);
    await watcher.close();
  });

  test("a flaky phone does not flicker", async () => {
    const [tom, jerry] = await cast();
    const watcher = await subscribe(tom);
    for (const _ of count(5)) {
      await lose(await subscribe(jerry), jerry);
      clock.advance(9_000);
    }
    const back = await subscribe(jerry);
    clock.advance(60_000);
    expect(await toldBy(watcher, tom)).toEqual(["jerry on"]);
    await back.close();
    await watcher.close();
  });

  test("a pause and a logout mean offline at once, in the grace too", async () => {
    const [tom, jerry] = await cast();
    const watcher = await subscribe(tom);
    const stream = await subscribe(jerry);
    tell();
    await jerry.rpc.message.pauseSession({});
    await stream.ended;
    await eventually(() => expect(told(watcher)).toEqual(["jerry on", "jerry off"]));
    tell();
    const lost = await subscribe(jerry);
    tell();
    await lose(lost, jerry);
    await jerry.rpc.message.pauseSession({});
    await eventually(() => expect(told(watcher)).toEqual(["jerry on", "jerry off", "jerry on", "jerry off"]));
    tell();
    await subscribe(jerry);
    tell();
    await jerry.rpc.auth.logout({});
    await eventually(() => expect(told(watcher).slice(4)).toEqual(["jerry on", "jerry off"]));
    await watcher.close();
  });

  test("two devices count as one user", async () => {
    const [tom, jerry] = await cast();
    const phone = await newDevice(server, jerry);
    const watcher = await subscribe(tom);
    const [one, two] = [await subscribe(jerry), await subscribe(phone)];
    await lose(one, jerry);
    clock.advance(20_000);
    await phone.rpc.message.pauseSession({});
    await two.ended;
    await eventually(() => expect(told(watcher)).toEqual(["jerry on", "jerry off"]));
    tell();
    // A pause of one device leaves the other's presence alone.
    const [again, last] = [await subscribe(jerry), await subscribe(phone)];
    await phone.rpc.message.pauseSession({});
    await last.ended;
    expect(await toldBy(watcher, tom)).toEqual(["jerry on", "jerry off", "jerry on"]);
    await again.close();
    await watcher.close();
  });

  test("a client that acknowledged and then falls silent lapses, and is back with its next sign of life", async () => {
    const [tom, jerry] = await cast();
    const [watcher, stream] = [await subscribe(tom), await subscribe(jerry)];
    await jerry.rpc.message.ackEvents({});
    clock.advance(59_000);
    await jerry.rpc.message.ackEvents({});
    clock.advance(59_000);
    expect(await toldBy(watcher, tom)).toEqual(["jerry on"]);
    clock.advance(20_000);
    await eventually(() => expect(told(watcher)).toEqual(["jerry on", "jerry off"]));
    await jerry.rpc.message.ackEvents({});
    tell();
    await eventually(() => expect(told(watcher)).toEqual(["jerry on", "jerry off", "jerry on"]));
    // Doubtful or not, it was served all the while; one that never acknowledges counts as long as its stream lives.
    await say(tom, toUser(jerry.userId), "hi");
    await stream.event(says("hi"));
    await stream.close();
    await watcher.close();
  });
});

describe("a new stream", () => {
  test("is told between started and caught up of each friend who is online, and of no other", async () => {
    const [tom, jerry, spike] = await cast();
    const [away] = await newUsers(server, ["away"]);
    await tom.rpc.friend.addFriend({ userId: must(away).userId });
    const open = [await subscribe(jerry), await subscribe(spike)];
    const { cursor } = await tom.rpc.message.listEvents({});
    await say(jerry, toUser(tom.userId), "hi");
    const stream = await subscribe(tom, { cursor });
    expect(stream.frames.map((frame) => frame.case)).toEqual(["started", "event", "event", "caughtUp"]);
    expect(told(stream)).toEqual(["jerry on"]);
    expect(stream.events()[1]?.kind).toBe(EventKind.PRESENCE_CHANGED);
    for (const each of [...open, stream]) await each.close();
  });

  test("is told of a friend lost and won back meanwhile after it is told of that", async () => {
    const [tom, jerry] = await cast();
    const open = await subscribe(jerry);
    const { cursor } = await tom.rpc.message.listEvents({});
    await jerry.rpc.friend.removeFriend({ userId: tom.userId });
    await jerry.rpc.friend.addFriend({ userId: tom.userId });
    const stream = await subscribe(tom, { cursor });
    expect(stream.events().map(({ kind }) => EventKind[kind])).toEqual([
      "FRIEND_CHANGED",
      "FRIEND_CHANGED",
      "PRESENCE_CHANGED",
    ]);
    for (const each of [open, stream]) await each.close();
  });

  test("that filters its kinds is told by them", async () => {
    const [tom, jerry] = await cast();
    const open = await subscribe(jerry);
    const quiet = await subscribe(tom, { kinds: [EventKind.MESSAGE_CREATED] });
    expect(quiet.events()).toEqual([]);
    await quiet.close();
    const watcher = await subscribe(tom, { kinds: [EventKind.PRESENCE_CHANGED] });
    expect(told(watcher)).toEqual(["jerry on"]);
    await open.close();
    await watcher.close();
  });

  test("that is invisible makes nobody online, and one that turns invisible is offline at once", async () => {
    const [tom, jerry] = await cast();
    const watcher = await subscribe(tom);
    const presence = PresenceMode.INVISIBLE;
    const hidden = await subscribe(jerry, { presence });
    expect(await onlineTo(tom, jerry.userId)).toBe(false);
    await lose(hidden, jerry);
    clock.advance(20_000);
    expect(await toldBy(watcher, tom)).toEqual([]);
    await subscribe(jerry);
    const turned = await subscribe(jerry, { presence });
    expect(await onlineTo(tom, jerry.userId)).toBe(false);
    expect(await toldBy(watcher, tom)).toEqual(["jerry on"]);
    tell();
    await eventually(() => expect(told(watcher)).toEqual(["jerry on", "jerry off"]));
    // A hidden device beside a visible one hides nothing.
    const phone = await newDevice(server, jerry);
    const shown = await subscribe(phone);
    await lose(turned, jerry);
    clock.advance(20_000);
    expect(await onlineTo(tom, jerry.userId)).toBe(true);
    await shown.close();
    await watcher.close();
  });
});

describe("friends made and lost", () => {
  test("a friend made while both are online is told of as online, to both", async () => {
    const [, jerry, spike] = await cast();
    const streams = [await subscribe(jerry), await subscribe(spike)];
    await jerry.rpc.friend.addFriend({ userId: spike.userId });
    await eventually(() => expect(streams.map(told)).toEqual([["spike on"], ["jerry on"]]));
    for (const stream of streams) await stream.close();
  });

  test("one who is no friend any more is told nothing", async () => {
    const [tom, jerry] = await cast();
    const watcher = await subscribe(tom);
    await jerry.rpc.friend.removeFriend({ userId: tom.userId });
    const stream = await subscribe(jerry);
    expect(await toldBy(watcher, tom)).toEqual([]);
    await stream.close();
    await watcher.close();
  });
});

describe("a restart of the server", () => {
  const at = (place: TestServer, user: TestUser): TestUser => ({ ...user, rpc: withToken(place, user.token) });

  test("makes nobody flicker who comes back within 15 s; the others go once", async () => {
    const own = fakeClock();
    let place = await startTestServer({ clock: own });
    const [tom, jerry, spike] = await cast(place);
    await tom.rpc.friend.addFriend({ userId: spike.userId });
    await Promise.all([subscribe(jerry), subscribe(spike)]);
    await eventually(async () => expect(await onlineTo(tom, spike.userId)).toBe(true));
    place = await place.restart();
    const [tom2, jerry2] = [at(place, tom), at(place, jerry)];
    expect([await onlineTo(tom2, jerry.userId), await onlineTo(tom2, spike.userId)]).toEqual([true, true]);
    const watcher = await subscribe(tom2);
    expect(told(watcher).sort()).toEqual(["jerry on", "spike on"]);
    own.advance(14_000);
    const back = await subscribe(jerry2);
    own.advance(999);
    expect(await toldBy(watcher, tom2)).toHaveLength(2);
    own.advance(1);
    await eventually(() => expect(told(watcher).slice(2)).toEqual(["spike off"]));
    own.advance(60_000);
    expect((await toldBy(watcher, tom2)).slice(2)).toEqual(["spike off"]);
    await back.close();
    await watcher.close();
    place = await place.restart();
    const later = must((await at(place, tom).rpc.user.getPresence({ userId: spike.userId })).presence);
    expect(later).toMatchObject({ online: false });
    expect(millis(later.lastActiveTime)).toBeGreaterThan(0);
    await place.close();
  });
});
