import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { GoodbyeReason, ResyncReason, SubscribeResponseSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { EventKind, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import type { LogEvent } from "../ports.js";
import { decodeCursor } from "../store/cursor.js";
import { createAppTail } from "./app-tail.js";
import type { EncodedEvent } from "./frames.js";
import { createSubscription, type Ending } from "./subscription.js";

const APP = "app";
const CHUNK = 2;
const GENERATION = { generationId: "0000000000000001", firstPos: 0 };
const [MINE, OTHERS] = ["u:tom", "u:jerry"];
const isMine = ({ audiences }: LogEvent) => audiences.includes(MINE);
const payload = toBinary(StreamEventSchema, create(StreamEventSchema, { kind: EventKind.FRIEND_CHANGED }));
/** Half of the events are of a friendship: after those that were read, the friends that are online are named. */
const kindOf = (pos: number) => (pos % 2 === 1 ? EventKind.FRIEND_CHANGED : EventKind.MESSAGE_CREATED);
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** One stream on one app's tail, with everything it waits for in the test's hand: each await ends when a step says so. */
function createWorld(options: { queueFrames: number; start?: number; kinds?: readonly EventKind[] }) {
  const log: LogEvent[] = [];
  const clock = fakeClock();
  const frames: string[] = [];
  let [undrained, most, floor] = [0, 0, 0];
  const reads: string[] = [];
  const steps = new Map<string, () => void>();
  const drains = new Set<() => void>();
  const wait = <T>(step: string, value: () => T) =>
    new Promise<T>((resolve) => {
      if (steps.has(step)) throw new Error(`two ${step} at a time`);
      steps.set(step, () => {
        steps.delete(step);
        resolve(value());
      });
    });

  const emit = (count: number, audience = MINE) => {
    const events = Array.from({ length: count }, (_, at): LogEvent => {
      const pos = log.length + at + 1;
      return { pos, kind: kindOf(pos), payload, audiences: [audience] };
    });
    log.push(...events);
    return events;
  };
  if (options.start !== undefined) emit(options.start);
  const tail = createAppTail(
    APP,
    { head: log.length, floor: 0, generations: [GENERATION] },
    {
      onRoom: () => undefined,
      onError: (error) => {
        throw error;
      },
    },
  );
  const errors: unknown[] = [];
  const destroyed: true[] = [];
  let fallen = 0;
  const leave = new AbortController();
  // Positions below 128 make frames of one size, so that any bound on memory is exact.
  const frameBytes = tail.encode({ kind: EventKind.FRIEND_CHANGED, pos: 1, payload }).frame("binary").length;
  const subscription = createSubscription({
    userId: "tom",
    sessionId: "s1",
    codec: "binary",
    kinds: new Set(options.kinds),
    always: new Set(),
    pos: 0,
    clock,
    heartbeatMs: 20_000,
    writeStallMs: 30_000,
    queueBytes: options.queueFrames * frameBytes,
    sink: {
      write(bytes) {
        undrained += bytes.length;
        most = Math.max(most, undrained);
        frames.push(...framesIn(bytes));
      },
      queuedBytes: () => undrained,
      drained: (signal) =>
        new Promise((resolve) => {
          const done = () => {
            signal.removeEventListener("abort", done);
            resolve();
          };
          drains.add(done);
          signal.addEventListener("abort", done);
        }),
      destroy: () => void destroyed.push(true),
    },
    watermark: () => tail.state().head,
    cursorAt: tail.cursorAt,
    async prelude() {
      await tail.add(subscription, [MINE], () => wait("prelude", () => []));
    },
    onlineFriends: () => wait("friends", () => []),
    async read(from, to) {
      reads.push(`${from}-${to}`);
      if (from < floor) return "expired";
      // The rows as of the call: those above `to` are not asked for.
      const found = log.slice(from, to).filter(isMine).slice(0, CHUNK);
      const upTo = found.length === CHUNK ? (found.at(-1)?.pos ?? to) : to;
      const events: EncodedEvent[] = found.map(tail.encode);
      return await wait("read", () => (from < floor ? ("expired" as const) : { events, upTo }));
    },
    onFellBehind: () => fallen++,
    onError: (error) => errors.push(error),
  });
  let ending: Ending | undefined;
  void subscription.run(leave.signal).then((how) => {
    ending = how;
    tail.remove(subscription);
  });

  /** Commits events, and tells of them together with so many from before. */
  const commit = (count: number, again = 0, audience = MINE) => {
    const known = again === 0 ? [] : log.slice(-again);
    tail.apply([...known, ...emit(count, audience)]);
  };
  const drain = () => {
    undrained = 0;
    for (const done of [...drains]) done();
    drains.clear();
  };
  return {
    log,
    clock,
    frames,
    tail,
    subscription,
    steps,
    commit,
    drain,
    leave,
    errors,
    destroyed,
    trim(pos: number) {
      floor = pos;
      tail.raiseFloor(pos);
    },
    /** The consumer takes some bytes. */
    take(bytes: number) {
      undrained -= bytes;
    },
    get undrained() {
      return undrained;
    },
    /** The most that ever waited, in frames. */
    get most() {
      return most / frameBytes;
    },
    /** The positions of the events that are for the stream. */
    get mine() {
      return log.filter(isMine).map(({ pos }) => pos);
    },
    reads,
    get waitsForRoom() {
      return drains.size > 0;
    },
    get fallen() {
      return fallen;
    },
    get ending() {
      return ending;
    },
    /** Lets everything that waits go on until nothing does. */
    async finish() {
      for (let left = 100; left > 0; left--) {
        drain();
        for (const step of [...steps.values()]) step();
        await settle();
        if (steps.size === 0 && undrained === 0) return;
      }
      throw new Error("never comes to rest");
    },
  };
}

/** The frames of a write: the position of an event, the name of what is none. */
function framesIn(bytes: Buffer): string[] {
  const frames: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 1);
    const { frame } = fromBinary(SubscribeResponseSchema, bytes.subarray(at + 5, at + 5 + length));
    if (frame.case === "event") frames.push(String(decodeCursor(APP, frame.value.cursor)?.pos));
    else if (frame.case === "resyncRequired") frames.push(`resync ${ResyncReason[frame.value.reason]}`);
    else frames.push(frame.case ?? "?");
    at += 5 + length;
  }
  return frames;
}

const eventsOf = (frames: readonly string[]) => frames.filter((frame) => /^\d+$/.test(frame)).map(Number);
const upTo = (last: number) => Array.from({ length: last }, (_, at) => at + 1);

/** What may wait, in frames: the whole queue of live events, or half of it and a chunk of the log; and the word that it has caught up. */
const mostOf = ({ queueFrames }: { queueFrames: number }) => Math.max(queueFrames, queueFrames / 2 + CHUNK) + 1;

type World = ReturnType<typeof createWorld>;

/** What the next step may be: one that ends in itself, or one with a commit so many ticks into what it sets off. */
function choices(world: World, events: number, ticks: readonly number[] = []): Map<string, () => void> {
  const found = new Map(world.steps);
  if (world.undrained > 0) found.set("drain", world.drain);
  const left = events - world.log.length;
  if (left > 0)
    for (const [name, step] of [...found])
      for (const tick of ticks)
        found.set(`${name}, commit after ${tick}`, async () => {
          step();
          for (let passed = 0; passed < tick; passed++) await Promise.resolve();
          world.commit(1);
        });
  for (const count of [1, 2]) if (count <= left) found.set(`commit ${count}`, () => world.commit(count));
  if (left > 0) found.set("commit 1 for another", () => world.commit(1, 0, OTHERS));
  if (left > 0 && world.log.length > 0) found.set("commit 1, with what was told before", () => world.commit(1, 2));
  if (world.log.length > 0) found.set("repeat", () => world.commit(0, 2));
  return found;
}

describe("subscription", () => {
  test.each([
    { name: "no room", events: 4, start: 0, queueFrames: 0, ticks: [] },
    { name: "room for two events", events: 4, start: 0, queueFrames: 2, ticks: [] },
    { name: "room to keep two events", events: 5, start: 1, queueFrames: 4, ticks: [] },
    { name: "a backlog", events: 5, start: 3, queueFrames: 0, ticks: [] },
    { name: "commits in the middle", events: 4, start: 2, queueFrames: 0, ticks: [0, 1, 2, 3, 4, 5, 6, 7] },
  ])(
    "every interleaving: $name",
    async (shape) => {
      let visited = 0;
      let fellBehind = 0;
      const known = new Set<string>();
      const replay = async (path: readonly string[]) => {
        const world = createWorld(shape);
        await settle();
        for (const step of path) {
          choices(world, shape.events, shape.ticks).get(step)?.();
          await settle();
        }
        return world;
      };
      const open: string[][] = [[]];
      for (let path = open.pop(); path !== undefined; path = open.pop()) {
        const world = await replay(path);
        const next = [...choices(world, shape.events, shape.ticks).keys()];
        const { log, undrained, waitsForRoom, frames, subscription, reads } = world;
        // Paths that cannot be told apart go on alike.
        const audiences = log.map((event) => event.audiences);
        const state = [audiences, undrained, waitsForRoom, subscription.isLive, frames, reads, next].join("|");
        if (known.has(state)) continue;
        known.add(state);
        visited++;
        const seen = eventsOf(frames);
        const at = path.join(", ");
        expect(seen, `without a gap and in order after ${at}`).toEqual(world.mine.slice(0, seen.length));
        expect(world.most, `frames that wait after ${at}`).toBeLessThanOrEqual(mostOf(shape));
        for (const step of next) if (step !== "repeat" || path.at(-1) !== "repeat") open.push([...path, step]);
        await world.finish();
        expect(eventsOf(frames), `all of it in the end after ${at}`).toEqual(world.mine);
        expect(subscription.isLive, `live in the end after ${at}`).toBe(true);
        expect(frames.filter((frame) => frame === "caughtUp")).toHaveLength(1);
        expect([world.errors, world.ending]).toEqual([[], undefined]);
        fellBehind += world.fallen;
      }
      expect(visited).toBeGreaterThan(30);
      expect(fellBehind).toBeGreaterThan(10);
    },
    60_000,
  );

  test("random interleavings of many events, with a floor that rises under it, tell of every gap", async () => {
    const script = fc.array(fc.nat(99), { minLength: 40, maxLength: 120, size: "max" });
    await fc.assert(
      fc.asyncProperty(script, fc.integer({ min: 0, max: 5 }), async (numbers, queueFrames) => {
        const world = createWorld({ queueFrames, start: 5 });
        await settle();
        for (const number of numbers) {
          const found = [...choices(world, 60)];
          if (number === 0) world.trim(world.log.length);
          else found[number % found.length]?.[1]();
          await settle();
        }
        await world.finish();
        let last = 0;
        let told = false;
        const { mine } = world;
        const after = (pos: number) => mine.find((one) => one > pos);
        for (const frame of world.frames) {
          const pos = Number(frame);
          if (Number.isNaN(pos)) told ||= frame === "resync EXPIRED";
          else {
            if (told ? pos <= last : pos !== after(last)) expect.fail(`${pos} after ${last} in ${world.frames.join()}`);
            last = pos;
            told = false;
          }
        }
        if (!told && after(last) !== undefined) expect.fail(`ends at ${last} of ${mine.join()}`);
        expect(world.most).toBeLessThanOrEqual(mostOf({ queueFrames }) + 1);
        expect(world.subscription.isLive).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test("what is for others is not looked for: in a busy app a stream goes live all the same", async () => {
    const world = createWorld({ queueFrames: 4, start: 1 });
    await settle();
    for (const step of ["prelude", "read", "friends"]) {
      world.commit(1, 0, OTHERS);
      world.steps.get(step)?.();
      world.commit(2, 0, OTHERS);
      await settle();
    }
    expect(world.reads).toEqual(["0-4"]);
    expect([world.subscription.isLive, world.frames]).toEqual([true, ["1", "caughtUp"]]);
  });

  test("what comes for it with every read is kept: in however busy an app it goes live", async () => {
    const world = createWorld({ queueFrames: 20, start: 1 });
    await settle();
    world.steps.get("prelude")?.();
    await settle();
    const during: [step: string, commits: number][] = [
      ["read", 3],
      // The fifth event is of a friendship.
      ["friends", 1],
      ["friends", 1],
    ];
    for (const [step, commits] of during) {
      world.commit(commits);
      world.steps.get(step)?.();
      await settle();
    }
    expect(world.reads).toEqual(["0-1"]);
    expect([world.subscription.isLive, world.frames]).toEqual([true, [...upTo(6).map(String), "caughtUp"]]);
  });

  test("friends are named after a friendship that came while it read, though it does not want to hear of friendships", async () => {
    const world = createWorld({ queueFrames: 4, kinds: [EventKind.MESSAGE_CREATED, EventKind.PRESENCE_CHANGED] });
    await settle();
    await world.finish();
    // The fifth of its messages has no room.
    for (let each = 0; each < 5; each++) {
      world.commit(1, 0, OTHERS);
      world.commit(1);
    }
    expect([world.fallen, world.waitsForRoom]).toEqual([1, true]);
    world.commit(1);
    world.drain();
    await settle();
    world.steps.get("read")?.();
    await settle();
    expect([world.reads.at(-1), [...world.steps.keys()], world.subscription.isLive]).toEqual([
      "9-10",
      ["friends"],
      false,
    ]);
    await world.finish();
    expect([world.reads.at(-1), world.subscription.isLive]).toEqual(["9-10", true]);
  });

  test("what may be lost is dropped while half of the queue waits or is kept", async () => {
    const world = createWorld({ queueFrames: 8, start: 1 });
    await settle();
    world.steps.get("prelude")?.();
    await settle();
    world.commit(4);
    for (let each = 0; each < 5; each++)
      world.tail.transient({ appId: APP, kind: EventKind.TYPING_CHANGED, payload, audiences: [MINE] });
    expect(world.frames).toEqual(["undefined"]);
    await world.finish();
    expect(eventsOf(world.frames)).toEqual(upTo(5));
    expect(world.reads).toEqual(["0-1"]);
  });

  test("what it keeps has half of the queue, with what waits there: the rest is read", async () => {
    const world = createWorld({ queueFrames: 8, start: 1 });
    await settle();
    world.steps.get("prelude")?.();
    world.commit(4);
    await settle();
    world.commit(1);
    await world.finish();
    expect(eventsOf(world.frames)).toEqual(upTo(6));
    expect(world.most).toBeLessThanOrEqual(9);
  });

  test("a peer that takes nothing for as long as a write may stall is sent away, and cut when it takes not even that", async () => {
    const world = createWorld({ queueFrames: 0, start: 6 });
    await settle();
    world.steps.get("prelude")?.();
    await settle();
    world.steps.get("read")?.();
    await settle();
    world.steps.get("read")?.();
    await settle();
    expect(world.waitsForRoom).toBe(true);
    world.clock.advance(29_999);
    await settle();
    expect([world.destroyed, world.ending]).toEqual([[], undefined]);
    world.clock.advance(1);
    await settle();
    expect(world.ending).toEqual({ reason: GoodbyeReason.SLOW_CONSUMER, reconnect: true });
    world.clock.advance(29_999);
    expect(world.destroyed).toEqual([]);
    world.clock.advance(1);
    expect(world.destroyed).toHaveLength(1);
    expect(world.clock.pending).toBe(0);
  });

  test("a peer that is slow and takes something is not sent away", async () => {
    const world = createWorld({ queueFrames: 0, start: 6 });
    await settle();
    world.steps.get("prelude")?.();
    await settle();
    world.steps.get("read")?.();
    await settle();
    for (let left = world.undrained - 1; left > 0; left--) {
      world.take(1);
      world.clock.advance(30_000);
      await settle();
      expect(world.ending).toBeUndefined();
    }
    await world.finish();
    expect(eventsOf(world.frames)).toEqual(upTo(6));
    expect(world.clock.pending).toBe(0);
  });

  test("one commit larger than the queue is written as far as there is room, and read from there on", async () => {
    const world = createWorld({ queueFrames: 4 });
    await settle();
    await world.finish();
    world.commit(7);
    expect(eventsOf(world.frames)).toEqual(upTo(4));
    expect([world.fallen, world.subscription.isLive]).toEqual([1, false]);
    await world.finish();
    expect(eventsOf(world.frames)).toEqual(upTo(7));
    expect(world.subscription.isLive).toBe(true);
  });

  test("friends who are online are named after the changes of friendship that are read, and once for all of them", async () => {
    const world = createWorld({ queueFrames: 4, start: 3 });
    const steps: string[] = [];
    const goOn = async () => {
      await settle();
      while (!world.subscription.isLive) {
        world.drain();
        for (const [name, step] of [...world.steps]) {
          steps.push(name);
          step();
        }
        await settle();
      }
    };
    await goOn();
    expect(steps.splice(0)).toEqual(["prelude", "read", "read", "friends"]);
    world.commit(7);
    expect(world.fallen).toBe(1);
    await goOn();
    expect(steps).toEqual(["read", "read", "friends"]);
  });

  test("a stream that was quiet while the floor rose past it and then falls behind has missed nothing", async () => {
    const world = createWorld({ queueFrames: 1 });
    await settle();
    await world.finish();
    world.commit(1);
    // It is not drained, so that the next finds no room.
    const others = Array.from({ length: 5 }, (_, at) => ({ pos: at + 2, kind: 1, payload, audiences: ["u:ann"] }));
    world.log.push(...others);
    world.tail.apply(others);
    world.trim(6);
    world.commit(1);
    await world.finish();
    expect(world.frames).toEqual(["caughtUp", "1", "7"]);
  });

  test("what may be lost is dropped while half of the queue waits", async () => {
    const world = createWorld({ queueFrames: 4 });
    await settle();
    await world.finish();
    world.commit(2);
    world.tail.transient({ appId: APP, kind: EventKind.TYPING_CHANGED, payload, audiences: ["u:tom"] });
    world.commit(1);
    world.tail.transient({ appId: APP, kind: EventKind.TYPING_CHANGED, payload, audiences: ["u:tom"] });
    expect(world.frames).toEqual(["caughtUp", "1", "2", "undefined", "3"]);
    expect(world.subscription.isLive).toBe(true);
  });

  test("a stall that ends in time leaves no timer", async () => {
    const world = createWorld({ queueFrames: 0, start: 6 });
    await settle();
    await world.finish();
    expect(eventsOf(world.frames)).toEqual(upTo(6));
    expect(world.clock.pending).toBe(0);
  });

  test("a quiet stream tells the watermark at each heartbeat, a busy one nothing", async () => {
    const world = createWorld({ queueFrames: 5 });
    await settle();
    await world.finish();
    world.clock.advance(19_999);
    world.subscription.beat(world.clock.mono());
    expect(world.frames).toEqual(["caughtUp"]);
    world.clock.advance(1);
    world.subscription.beat(world.clock.mono());
    expect(world.frames).toEqual(["caughtUp", "heartbeat"]);
    world.clock.advance(19_000);
    world.commit(1);
    world.clock.advance(19_000);
    world.subscription.beat(world.clock.mono());
    expect(world.frames).toEqual(["caughtUp", "heartbeat", "1"]);
  });

  test("the first reason to end counts, and nothing is written after it", async () => {
    const world = createWorld({ queueFrames: 5 });
    await settle();
    await world.finish();
    const ending = { reason: GoodbyeReason.DRAIN, reconnect: true, retryDelayMs: 7 };
    world.subscription.end(ending);
    world.subscription.end({ reason: GoodbyeReason.REPLACED, reconnect: false });
    world.commit(1);
    world.clock.advance(60_000);
    world.subscription.beat(world.clock.mono());
    world.leave.abort();
    await settle();
    expect(world.ending).toEqual(ending);
    expect(world.frames).toEqual(["caughtUp"]);
    expect([...world.tail.all()]).toEqual([]);
  });

  test("a client that leaves in the middle of a read or a stall is cleaned up after", async () => {
    for (const stopAt of ["prelude", "read", "room"]) {
      const world = createWorld({ queueFrames: 0, start: 6 });
      await settle();
      if (stopAt !== "prelude") world.steps.get("prelude")?.();
      await settle();
      if (stopAt === "room") world.steps.get("read")?.();
      await settle();
      expect(world.waitsForRoom).toBe(stopAt === "room");
      world.leave.abort();
      await settle();
      const written = world.frames.length;
      for (const step of [...world.steps.values()]) step();
      await settle();
      expect(world.ending, stopAt).toEqual({ reason: undefined, reconnect: false });
      expect(world.frames).toHaveLength(written);
      expect([[...world.tail.all()], [...world.tail.ofSession("s1")], world.clock.pending]).toEqual([[], [], 0]);
    }
  });

  test("a read that fails ends the stream with the advice to come back", async () => {
    const world = createWorld({ queueFrames: 0, start: 1 });
    world.log.splice(0, 1, { pos: 1, kind: 1, audiences: [MINE], payload: null as unknown as Uint8Array });
    await settle();
    world.steps.get("prelude")?.();
    await settle();
    world.steps.get("read")?.();
    await settle();
    expect(world.errors).toHaveLength(1);
    expect(world.ending).toEqual({ reason: GoodbyeReason.INTERNAL, reconnect: true });
  });
});
