import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { TIMES } from "../limits.js";
import type { LogEvent, LogRange, LogState } from "../ports.js";
import { createAppTail } from "./app-tail.js";
import { createInOrder } from "./in-order.js";
import type { Subscription } from "./subscription.js";

const APP = "app";
const FIRST = { generationId: "000000000000000a", firstPos: 0 };
const SECOND = { generationId: "000000000000000b", firstPos: 4 };

/** Lets everything go on that waits for a turn. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await nextTurn();
}

interface Options {
  /** The watermark that it begins with; what is before it is in the store. */
  mark?: number;
  heldEvents?: number;
}

/** The tail of a log that is kept in an array, with one live stream. */
function createWorld({ mark = 0, heldEvents = 1000 }: Options = {}) {
  const clock = fakeClock();
  const log: LogEvent[] = [];
  const stored: LogState & { floor: number; generations: (typeof FIRST)[] } = {
    head: 0,
    floor: 0,
    generations: [FIRST],
  };
  const got: number[] = [];
  let [gaps, repairs, lost, failing] = [0, 0, 0, false];
  const errors: unknown[] = [];

  const commit = (count: number, generation = FIRST): LogRange => {
    const events = Array.from({ length: count }, (_, at) => ({
      pos: log.length + at + 1,
      kind: 1,
      payload: Buffer.from(generation.generationId),
      audiences: ["*"],
    }));
    log.push(...events);
    if (!stored.generations.includes(generation)) stored.generations.push(generation);
    return { appId: APP, generationId: generation.generationId, generationFirstPos: generation.firstPos, events };
  };
  if (mark > 0) commit(mark);

  const tail = createAppTail(
    APP,
    { head: mark, floor: 0, generations: [FIRST] },
    {
      onRoom: () => undefined,
      onError: (error) => void errors.push(error),
    },
  );
  const stream: Subscription = {
    userId: "tom",
    sessionId: "s1",
    isLive: true,
    push: (event) => void got.push(event.pos),
    pushTransient: () => undefined,
    flush: () => undefined,
    beat: () => undefined,
    end: () => undefined,
    queuedBytes: () => 0,
    run: () => Promise.reject(new Error("not run here")),
  };
  void tail.add(stream, ["*"], async () => []);
  const inOrder = createInOrder(tail, {
    clock,
    limits: { heldEvents, heldBytes: 1_000_000 },
    times: TIMES,
    log: {
      async state() {
        if (failing) throw new Error("the store is away");
        return { head: log.length, floor: stored.floor, generations: [...stored.generations] };
      },
      async after(_appId, pos, limit) {
        if (failing) throw new Error("the store is away");
        const found = log.filter((event) => event.pos > Math.max(pos, stored.floor)).slice(0, limit);
        world.afterRead();
        return found;
      },
      ends: async () => [],
      heads: async () => [],
    },
    onGap: () => gaps++,
    onRepair: () => repairs++,
    onError: (error) => void errors.push(error),
    onLost() {
      lost++;
      inOrder.close();
    },
  });
  const world = {
    /** Runs between a read of events and what is read after it. */
    afterRead: () => {},
    clock,
    log,
    stored,
    got,
    tail,
    inOrder,
    commit,
    errors,
    end: (isNow = false) => {
      const generationId = stored.generations.at(-1)?.generationId ?? null;
      inOrder.found({ appId: APP, head: log.length, floor: stored.floor, generationId }, isNow);
    },
    /** Forgets the end of the log, as a failover to a copy that lags behind does. */
    lose(from: number) {
      log.splice(from - 1);
    },
    fail(isFailing: boolean) {
      failing = isFailing;
    },
    get counts() {
      return { gaps, repairs, lost };
    },
    async after(ms: number) {
      clock.advance(ms);
      await settled();
    },
  };
  return world;
}

const upTo = (last: number) => Array.from({ length: last }, (_, at) => at + 1);
const bellOf = ({ events, ...log }: LogRange) => ({
  ...log,
  firstPos: events[0]?.pos ?? 0,
  lastPos: events.at(-1)?.pos ?? 0,
});

describe("the order of a log", () => {
  test("what comes in order goes out at once and asks nothing of the store", async () => {
    const world = createWorld();
    for (const count of [1, 2, 1]) world.inOrder.range(world.commit(count));
    expect([world.got, world.clock.pending]).toEqual([upTo(4), 0]);
    expect(world.counts).toEqual({ gaps: 0, repairs: 0, lost: 0 });
  });

  test("what comes too early waits for what is missing, which may come by itself", async () => {
    const world = createWorld();
    const [one, two, three] = [world.commit(1), world.commit(2), world.commit(1)];
    world.inOrder.range(three);
    world.inOrder.range(two);
    expect([world.got, world.inOrder.held]).toEqual([[], 3]);
    await world.after(TIMES.repairMs - 1);
    world.inOrder.range(one);
    expect([world.got, world.inOrder.held, world.clock.pending]).toEqual([upTo(4), 0, 0]);
    expect(world.counts).toEqual({ gaps: 2, repairs: 0, lost: 0 });
  });

  test("what does not come in a moment is read, once", async () => {
    const world = createWorld();
    world.commit(1);
    world.inOrder.range(world.commit(1));
    world.commit(1);
    world.inOrder.range(world.commit(1));
    await world.after(TIMES.repairMs);
    expect([world.got, world.counts]).toEqual([upTo(4), { gaps: 2, repairs: 1, lost: 0 }]);
    expect(world.clock.pending).toBe(0);
  });

  test("a doorbell is answered by the store: at once when it is the next, else when the rest has not come", async () => {
    const world = createWorld();
    world.inOrder.doorbell(bellOf(world.commit(2)));
    await settled();
    expect(world.got).toEqual(upTo(2));
    const missing = world.commit(1);
    world.inOrder.doorbell(bellOf(world.commit(1)));
    await settled();
    expect(world.got).toEqual(upTo(2));
    world.inOrder.range(missing);
    await world.after(TIMES.repairMs);
    expect(world.got).toEqual(upTo(4));
  });

  test("a log that is far ahead is read in steps", async () => {
    const world = createWorld();
    world.commit(1234);
    world.end();
    await world.after(TIMES.repairMs);
    expect(world.got).toEqual(upTo(1234));
    expect(world.counts.repairs).toBe(1);
  });

  test("positions that the store does not hold are forgotten", async () => {
    const world = createWorld();
    const range = world.commit(4);
    world.lose(2);
    world.inOrder.range({ ...range, events: range.events.slice(2) });
    await world.after(TIMES.repairMs);
    expect([world.got, world.inOrder.held, world.clock.pending]).toEqual([[1], 0, 0]);
    world.inOrder.range(world.commit(1));
    expect(world.got).toEqual([1, 2]);
  });

  test("a store that cannot be read is asked again until it can", async () => {
    const world = createWorld();
    world.fail(true);
    world.commit(1);
    world.inOrder.range(world.commit(1));
    await world.after(TIMES.repairMs);
    await world.after(TIMES.repairRetryMs);
    expect([world.errors.length, world.got]).toEqual([2, []]);
    world.fail(false);
    await world.after(TIMES.repairRetryMs);
    expect(world.got).toEqual([1, 2]);
  });

  test("what was deleted before it was read is passed over", async () => {
    const world = createWorld();
    for (const event of world.commit(2).events.slice(0, 1)) event.payload = Buffer.alloc(0);
    world.end(true);
    await settled();
    expect([world.got, world.tail.watermark()]).toEqual([[2], 2]);
  });

  test("arrivals in any order, lost, repeated, without payload: never over a hole, never back, and in the end all", async () => {
    const count = fc.integer({ min: 1, max: 3 });
    const nth = fc.nat({ max: 30 });
    const step = fc.oneof(
      fc.record({ do: fc.constant("commit" as const), count }),
      fc.record({ do: fc.constant("range" as const), nth }),
      fc.record({ do: fc.constant("two as one" as const), nth }),
      fc.record({ do: fc.constant("bell" as const), nth }),
      fc.record({ do: fc.constant("look" as const), isNow: fc.boolean() }),
      fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 60 }) }),
      fc.record({ do: fc.constant("fail" as const), isFailing: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const world = createWorld({ heldEvents: 4 });
        const ranges: LogRange[] = [];
        let before = 0;
        const check = () => {
          const mark = world.tail.watermark();
          expect(world.got).toEqual(upTo(mark));
          expect(mark).toBeGreaterThanOrEqual(before);
          expect(world.inOrder.held).toBeLessThanOrEqual(4);
          before = mark;
        };
        for (const one of steps) {
          if (one.do === "commit") ranges.push(world.commit(one.count));
          else if (one.do === "wait") await world.after(one.ms);
          else if (one.do === "fail") world.fail(one.isFailing);
          else if (one.do === "look") world.end(one.isNow);
          else if (ranges.length > 0) {
            const at = one.nth % ranges.length;
            const range = ranges[at] as LogRange;
            if (one.do === "bell") world.inOrder.doorbell(bellOf(range));
            else if (one.do === "range") world.inOrder.range(range);
            else world.inOrder.range({ ...range, events: ranges.slice(at, at + 2).flatMap(({ events }) => events) });
          }
          check();
        }
        world.fail(false);
        world.end();
        await world.after(TIMES.repairRetryMs);
        await world.after(TIMES.repairRetryMs);
        check();
        expect(world.tail.watermark()).toBe(world.log.length);
        expect([world.counts.lost, world.clock.pending]).toEqual([0, 0]);
      }),
    );
  }, 30_000);
});

describe("a change of generation", () => {
  test("that begins beyond the watermark is learned, from a range or from the store", async () => {
    const world = createWorld({ mark: 3 });
    world.inOrder.range(world.commit(1, SECOND));
    expect(world.tail.state()).toMatchObject({ head: 4, generations: [FIRST, SECOND] });
    const other = createWorld({ mark: 3 });
    other.commit(2, SECOND);
    other.end();
    await settled();
    expect(other.tail.state()).toMatchObject({ head: 5, generations: [FIRST, SECOND] });
    expect([world.got, other.got]).toEqual([[4], [4, 5]]);
  });

  test.each(["range", "doorbell", "look"] as const)(
    "that takes the place of what was delivered ends the tail: %s",
    async (how) => {
      const world = createWorld({ mark: 5 });
      world.lose(4);
      const range = world.commit(2, SECOND);
      if (how === "range") world.inOrder.range(range);
      else if (how === "doorbell") world.inOrder.doorbell(bellOf(range));
      else world.end();
      await settled();
      expect([world.counts.lost, world.got]).toEqual([1, []]);
    },
  );

  test("that only somebody else has heard of ends nothing", async () => {
    const world = createWorld({ mark: 5 });
    const [event] = world.log;
    const foreign = {
      generationId: "00000000000000ff",
      generationFirstPos: 2,
      events: [{ ...(event as LogEvent), pos: 6 }],
    };
    world.inOrder.range({ appId: APP, ...foreign });
    await settled();
    expect([world.counts.lost, world.got, world.tail.watermark()]).toEqual([0, [], 5]);
    world.inOrder.range(world.commit(1));
    expect(world.got).toEqual([6]);
  });

  test("lets nothing through of the history that it has ended", async () => {
    const world = createWorld({ mark: 3 });
    const gone = world.commit(3);
    world.lose(4);
    // It comes late: the range before it was lost, and then the history with it.
    world.inOrder.range({ ...gone, events: gone.events.slice(1) });
    world.inOrder.range(world.commit(1, SECOND));
    expect([world.got, world.tail.watermark()]).toEqual([[4], 4]);
    world.inOrder.range(gone);
    await world.after(TIMES.repairMs);
    expect([world.got, world.tail.watermark(), world.counts.lost]).toEqual([[4], 4, 0]);
    world.inOrder.range(world.commit(1, SECOND));
    expect(world.got).toEqual([4, 5]);
  });

  test("between two reads lets nothing through of what the first has found", async () => {
    const world = createWorld({ mark: 3 });
    world.commit(3);
    world.afterRead = () => {
      world.afterRead = () => {};
      world.lose(4);
      world.commit(1, SECOND);
    };
    world.end(true);
    await settled();
    expect([world.got, world.tail.state().head, world.counts.lost]).toEqual([[4], 4, 0]);
  });

  test("a log that no longer reaches back to the watermark ends the tail", async () => {
    const world = createWorld({ mark: 3 });
    world.commit(5);
    world.stored.floor = 5;
    world.end();
    await world.after(TIMES.repairMs);
    expect([world.counts.lost, world.got]).toEqual([1, []]);
  });
});
