import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import {
  eventually,
  startTestServer,
  subscribe,
  type TestServer,
  type TestStream,
  type TestUser,
} from "../support/index.js";
import { count, metric, must, newDevice, newPair, text, textsOf, toUser } from "../support/messaging.js";
import { openRawStream, type RawStream } from "../support/raw-stream.js";

const QUEUE_BYTES = 256 * 1024;
const BATCH = 20;
const PADDING = "x".repeat(8000);

const clock = fakeClock();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.close());

/** A gauge as the server's next look finds it, which it takes every second. */
async function gauge(name: string): Promise<number> {
  clock.advance(1000);
  return await metric(server, name);
}
const streams = () => gauge("parley_sessions");

/** Sends batches of long messages, numbered on from `sent`; gives the most bytes that waited in the server meanwhile. */
async function flood(from: TestUser, to: TestUser, sent: number, batches: number): Promise<number> {
  let most = 0;
  for (const batch of count(batches)) {
    const requests = count(BATCH).map((at) => ({
      receiver: toUser(to.userId),
      content: text(`${sent + (batch - 1) * BATCH + at} ${PADDING}`),
    }));
    await from.rpc.message.sendMessages({ requests });
    most = Math.max(most, await gauge("parley_stream_queue_bytes"));
  }
  return most;
}

const numbers = (texts: string[]) => texts.map((words) => Number(words.split(" ")[0]));
const rawTexts = (stream: RawStream) =>
  textsOf(stream.frames.flatMap((frame) => (frame.case === "event" ? [frame.value] : [])));
const numbersOf = (stream: TestStream) => numbers(textsOf(stream.events()));

describe("I7: a consumer that does not read", () => {
  test("costs the server a bounded memory and the others nothing, and gets everything once when it wakes", async () => {
    const [tom, jerry] = await newPair(server);
    const { cursor } = await jerry.rpc.message.listEvents({});
    const devices = await Promise.all(count(8).map(() => newDevice(server, jerry)));
    const healthy = await Promise.all(devices.slice(0, 2).map((device) => subscribe(device)));
    const stalled = await Promise.all(devices.slice(2, 5).map((device) => openRawStream(server.url, device)));
    expect(await streams()).toBe(5);
    let most = await flood(tom, jerry, 0, 10);
    // These begin with a backlog that they do not read.
    stalled.push(...(await Promise.all(devices.slice(5).map((device) => openRawStream(server.url, device, cursor)))));
    most = Math.max(most, await flood(tom, jerry, 200, 10));
    const all = count(400);
    for (const stream of healthy) {
      await eventually(() => expect(textsOf(stream.events())).toHaveLength(400), 30_000);
      expect(numbersOf(stream)).toEqual(all);
    }
    expect(most).toBeGreaterThan(stalled.length * 64 * 1024);
    expect(most).toBeLessThanOrEqual(stalled.length * QUEUE_BYTES);
    expect(await metric(server, "parley_stream_live_to_reading_total")).toBeGreaterThanOrEqual(3);
    for (const stream of stalled) stream.read();
    for (const stream of stalled) {
      await eventually(() => expect(rawTexts(stream)).toHaveLength(400), 30_000);
      expect(numbers(rawTexts(stream))).toEqual(all);
      const cases = new Set(stream.frames.map((frame) => frame.case));
      expect(cases).toEqual(new Set(["started", "caughtUp", "event"]));
    }
    // Awake, it is live again: what comes now needs no reading of the log.
    const fellBehind = await metric(server, "parley_stream_live_to_reading_total");
    await flood(tom, jerry, 400, 1);
    for (const stream of stalled) await eventually(() => expect(rawTexts(stream)).toHaveLength(420));
    expect(await metric(server, "parley_stream_live_to_reading_total")).toBe(fellBehind);
    for (const stream of stalled) stream.leave("close");
    for (const stream of stalled) stream.leave("cut");
    for (const stream of healthy) await stream.close();
    await eventually(async () => expect(await streams()).toBe(0));
    expect(await gauge("parley_stream_queue_bytes")).toBe(0);
  });

  test("and then leaves, however it leaves, leaves nothing behind", async () => {
    const [tom, jerry] = await newPair(server);
    const devices = await Promise.all(count(9).map(() => newDevice(server, jerry)));
    for (const round of count(4)) {
      const stalled = await Promise.all(devices.map((device) => openRawStream(server.url, device)));
      await eventually(async () => expect(await streams()).toBe(9));
      await flood(tom, jerry, 0, 4);
      for (const [at, stream] of stalled.entries())
        stream.leave((["reset", "close", "cut"] as const)[(at + round) % 3] ?? "cut");
      for (const stream of stalled) stream.leave("cut");
      await eventually(async () => expect(await streams()).toBe(0));
    }
    expect(await gauge("parley_stream_queue_bytes")).toBe(0);
    const { sessions } = await jerry.rpc.auth.listSessions({});
    expect(sessions.filter((session) => session.online)).toEqual([]);
  });

  test("for 30 s is sent away, and cut 30 s later when it takes not even that; its next stream goes on where it was", async () => {
    const [tom, jerry] = await newPair(server);
    const wakes = await newDevice(server, jerry);
    const { cursor } = await jerry.rpc.message.listEvents({});
    const [stalled, woken] = [await openRawStream(server.url, jerry), await openRawStream(server.url, wakes)];
    await flood(tom, jerry, 0, 8);
    clock.advance(20_000);
    expect(await streams()).toBe(2);
    clock.advance(10_000);
    await eventually(async () => expect(await streams()).toBe(0));
    woken.read();
    await eventually(() => expect(woken.frames.at(-1)?.case).toBe("goodbye"));
    expect(must(woken.frames.at(-1)).value).toMatchObject({ reason: GoodbyeReason.SLOW_CONSUMER, reconnect: true });
    clock.advance(30_000);
    stalled.read();
    for (const stream of [stalled, woken]) {
      stream.leave("close");
      await stream.closed;
      const seen = stream.frames.flatMap((frame) => (frame.case === "event" ? [frame.value] : []));
      const next = await subscribe(jerry, { cursor: seen.at(-1)?.cursor ?? cursor });
      expect([...numbers(textsOf(seen)), ...numbersOf(next)]).toEqual(count(160));
      await next.close();
    }
    expect(stalled.frames.map((frame) => frame.case)).not.toContain("goodbye");
  });

  test("misses transient messages, and only those", async () => {
    const [tom, jerry] = await newPair(server);
    const stalled = await openRawStream(server.url, jerry);
    await flood(tom, jerry, 0, 4);
    const passing = { receiver: toUser(jerry.userId), content: text("passing"), transient: true };
    await tom.rpc.message.sendMessage(passing);
    await flood(tom, jerry, 80, 1);
    stalled.read();
    await eventually(() => expect(rawTexts(stalled)).toHaveLength(100));
    await tom.rpc.message.sendMessage({ ...passing, content: text("101") });
    await eventually(() => expect(numbers(rawTexts(stalled))).toEqual(count(101)));
    expect(must(stalled.frames.at(-1)).case).toBe("event");
    stalled.leave("cut");
  });
});
