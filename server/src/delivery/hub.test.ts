import { setImmediate as nextTurn } from "node:timers/promises";
import { ResyncReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { afterAll, describe, expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { randomFrom } from "../../../test/support/random.js";
import { tempStore } from "../../../test/support/temp-store.js";
import { createWire } from "../../../test/support/wire.js";
import { LIMITS, TIMES } from "../limits.js";
import { createLogger } from "../ops/logger.js";
import { createMetrics } from "../ops/metrics.js";
import type { Bus, LogRange } from "../ports.js";
import { encodeCursor } from "../store/cursor.js";
import type { Db } from "../store/schema.js";
import type { AppTail } from "./app-tail.js";
import { createHub, type Hub } from "./hub.js";
import { createLogReads } from "./log-reads.js";
import { createMemoryBus } from "./memory-bus.js";
import { startOf } from "./start.js";
import type { Subscription } from "./subscription.js";

let publish: (range: LogRange) => void = () => undefined;
const temp = await tempStore({ onCommit: (range) => publish(range) });
const { read } = temp.store;
afterAll(() => temp[Symbol.asyncDispose]());

const emit = (appId: string, count = 1) =>
  temp.committer.run(appId, async (tx) => {
    for (let left = count; left > 0; left--) tx.emit({ kind: 1, payload: Buffer.alloc(1), audiences: ["*"] });
  });

function newHub(options: { bus?: Bus; read?: Db } = {}) {
  const clock = fakeClock();
  const metrics = createMetrics({ process: false });
  const bus = options.bus ?? createMemoryBus();
  const logger = createLogger("silent");
  const log = createLogReads(options.read ?? read);
  const hub = createHub({ log, bus, clock, logger, metrics, limits: LIMITS, times: TIMES });
  if (options.bus === undefined) publish = bus.publish;
  return { hub, bus, clock, metrics };
}

/** A live stream that keeps the positions it was given. */
async function listen(
  tail: AppTail,
  audiences = ["*"],
): Promise<{ got: number[]; stream: Subscription; ends: number }> {
  const heard = { got: [] as number[], ends: 0 };
  const stream: Subscription = {
    userId: "tom",
    sessionId: `s-${Math.random()}`,
    isLive: true,
    push: (event) => void heard.got.push(event.pos),
    pushTransient: (event) => void heard.got.push(-event.kind),
    flush: () => undefined,
    beat: () => undefined,
    end() {
      heard.ends++;
      tail.remove(stream);
    },
    queuedBytes: () => 0,
    run: () => Promise.reject(new Error("not run here")),
  };
  await tail.add(stream, audiences, async () => []);
  return Object.assign(heard, { stream });
}

/** Lets time pass, and whatever waits for the store go on. */
async function pass(clocks: readonly { advance(ms: number): void }[], ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    for (const clock of clocks) clock.advance(10);
    for (let turn = 0; turn < 3; turn++) await nextTurn();
  }
}

const upTo = (last: number, from = 1) => Array.from({ length: last - from + 1 }, (_, at) => from + at);

describe("hub", () => {
  test("a tail opened while events are committed is at the head, whenever it is opened", async () => {
    for (let ticks = 0; ticks < 60; ticks += 2) {
      const appId = `a${ticks}`;
      const { hub } = newHub();
      await emit(appId);
      let opening: ReturnType<typeof hub.tail> | undefined;
      await temp.committer.run(appId, async (tx) => {
        opening = (async () => {
          for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
          return await hub.tail(appId);
        })();
        tx.emit({ kind: 1, payload: Buffer.alloc(1), audiences: ["*"] });
      });
      const tail = await opening;
      expect(tail?.state().head, `opened after ${ticks} ticks`).toBe(2);
      await emit(appId);
      expect(tail?.state().head).toBe(3);
      hub.close();
    }
  });

  test("positions that a range skips are read from the store; on a node alone that is a violation", async () => {
    const { hub, bus, clock, metrics } = newHub();
    await emit("c");
    const { got } = await listen(await hub.tail("c"));
    publish = () => undefined;
    await emit("c", 2);
    publish = bus.publish;
    await emit("c");
    expect(got).toEqual([]);
    await pass([clock], TIMES.repairMs);
    expect(got).toEqual([2, 3, 4]);
    const text = await metrics.text();
    expect(text).toContain('parley_invariant_violations_total{invariant="contiguous_ranges"} 1');
    expect(text).toContain("parley_log_repairs_total 1");
    await emit("c");
    expect(got).toEqual([2, 3, 4, 5]);
    hub.close();
  });

  test("a node alone never asks for heads", async () => {
    const { hub, clock } = newHub();
    await emit("alone");
    const { got } = await listen(await hub.tail("alone"));
    publish = () => undefined;
    await emit("alone");
    await pass([clock], 3 * TIMES.headPollMs);
    expect(got).toEqual([]);
    hub.close();
  });

  test("a tail that could not be opened is tried again by the next who asks", async () => {
    let fails = true;
    const failing = new Proxy(read, {
      get(target, name) {
        if (fails) throw new Error("busy");
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const { hub } = newHub({ read: failing });
    await emit("b");
    await expect(Promise.all([hub.tail("b"), hub.tail("b")])).rejects.toThrow("busy");
    fails = false;
    expect((await hub.tail("b")).state().head).toBe(1);
    hub.close();
  });

  test("a tail that nobody uses for a minute is left, and opened anew by the next who asks", async () => {
    const { hub, clock } = newHub();
    await emit("idle");
    const { stream } = await listen(await hub.tail("idle"));
    clock.advance(2 * TIMES.tailIdleMs);
    const tail = hub.known("idle");
    expect(tail).toBeDefined();
    tail?.remove(stream);
    clock.advance(TIMES.tailIdleMs - 2_000);
    expect(hub.known("idle")).toBe(tail);
    clock.advance(4_000);
    expect(hub.known("idle")).toBeUndefined();
    await emit("idle");
    expect((await hub.tail("idle")).state().head).toBe(2);
    // Who still holds the old one is sent back.
    expect((await listen(tail as AppTail)).ends).toBe(1);
    hub.close();
  });
});

/** Two nodes on one store; each commit is published by one of them. */
function twoNodes(options: Omit<Parameters<typeof createWire>[0], "clock"> = {}) {
  const wireClock = fakeClock();
  const wire = createWire({ ...options, clock: wireClock });
  const buses = [wire.node(), wire.node()] as const;
  const nodes = buses.map((bus) => newHub({ bus }));
  const random = options.random ?? Math.random;
  publish = (range) => buses[random() < 0.5 ? 0 : 1].publish(range);
  return {
    wire,
    buses,
    hubs: nodes.map(({ hub }) => hub) as [Hub, Hub],
    metrics: nodes.map(({ metrics }) => metrics),
    pass: (ms: number) => pass([wireClock, ...nodes.map(({ clock }) => clock)], ms),
    close() {
      for (const { hub } of nodes) hub.close();
    },
  };
}

describe("hubs on one store", () => {
  test.each([1, 2, 3])(
    "with a bus that loses, repeats and reorders 30%, every stream gets all once and in order: %i",
    async (nth) => {
      const seed = Math.floor(Math.random() * 2 ** 31) + nth;
      const appId = `faulty${nth}`;
      const world = twoNodes({ random: randomFrom(seed), lost: 0.3, repeated: 0.3, lateMs: 80, rangeBytes: 120 });
      await emit(appId);
      const streams = [];
      for (const hub of world.hubs) streams.push(await listen(await hub.tail(appId)));
      let head = 1;
      for (let round = 0; round < 60; round++) {
        const count = 1 + (round % 3);
        await emit(appId, count);
        head += count;
        await world.pass(10);
        if (round === 30) streams.push(await listen(await (world.hubs[1] as Hub).tail(appId)));
      }
      // The worst that can be: the last message was lost, the look at the head is late, and what it finds is waited for.
      await world.pass(TIMES.headPollMs * 1.2 + TIMES.repairMs + 20);
      for (const { got } of streams) expect(got, `seed ${seed}`).toEqual(upTo(head, got[0]));
      expect(streams.slice(0, 2).map(({ got }) => got[0])).toEqual([2, 2]);
      world.close();
    },
  );

  test("while the bus is down they look at the heads five times a second, and at once when it is up again", async () => {
    const world = twoNodes();
    await emit("down");
    const streams = [];
    for (const hub of world.hubs) streams.push(await listen(await hub.tail("down")));
    world.wire.cut(true);
    await world.pass(10);
    await emit("down");
    await world.pass(TIMES.headPollDownMs * 1.2 + 10);
    for (const { got } of streams) expect(got).toEqual([2]);
    expect(await world.metrics[0]?.text()).toContain("parley_bus_up 0");
    await emit("down");
    world.wire.cut(false);
    await world.pass(TIMES.repairMs + 20);
    for (const { got } of streams) expect(got).toEqual([2, 3]);
    world.close();
  });

  test("a look at the heads that fails is no end of looking", async () => {
    const world = twoNodes({ lost: 1 });
    await emit("lossy");
    const streams = [];
    for (const hub of world.hubs) streams.push(await listen(await hub.tail("lossy")));
    for (let round = 0; round < 3; round++) {
      await emit("lossy");
      await world.pass(TIMES.headPollMs * 1.2 + TIMES.repairMs + 20);
    }
    for (const { got } of streams) expect(got).toEqual([2, 3, 4]);
    world.close();
  });

  test("the talk of a room reaches the node that somebody of the room listens on, and ends with its last listener", async () => {
    const world = twoNodes();
    const [here, there] = world.hubs;
    await emit("rooms");
    const tail = await there.tail("rooms");
    await here.tail("rooms");
    const talk = async (kind: number) => {
      world.buses[0].publishTransient({ appId: "rooms", kind, payload: Buffer.alloc(1), audiences: ["r:den"] });
      await world.pass(10);
    };
    const first = await listen(tail, ["r:den"]);
    const second = await listen(tail, ["r:den"]);
    await talk(1);
    tail.remove(first.stream);
    await talk(2);
    tail.remove(second.stream);
    const late = await listen(tail, ["*"]);
    await talk(3);
    expect([first.got, second.got, late.got]).toEqual([[-1], [-1, -2], []]);
    world.close();
  });

  /** A node that has not heard of the last of these events, and the cursor of any of them. */
  async function behind(appId: string, events: number) {
    const world = twoNodes({ lost: 1 });
    const [, there] = world.hubs;
    await emit(appId);
    const tail = await there.tail(appId);
    publish = world.buses[0].publish;
    await emit(appId, events - 1);
    expect(tail.watermark()).toBe(1);
    const generationId = tail.state().generations[0]?.generationId ?? "";
    const at = (pos: number) => encodeCursor(appId, { generationId, pos });
    return { tail, at, start: (pos: number) => startOf(read, there, tail, at(pos)), close: world.close };
  }

  test("a cursor ahead of the node is honoured when the store goes so far, and refused when it does not", async () => {
    const { tail, at, start, close } = await behind("ahead", 5);
    expect(await start(4)).toEqual({ pos: 4, cursor: at(4), resync: undefined });
    expect(tail.watermark()).toBe(5);
    expect(await start(6)).toMatchObject({ pos: 5, resync: ResyncReason.HISTORY_CHANGED });
    close();
  });

  test("a cursor ahead of a node that has heard of a newer generation waits for what lies between", async () => {
    const { tail, at, start, close } = await behind("newer", 4);
    tail.begin({ generationId: "00000000000000ff", firstPos: 9 });
    expect(await start(3)).toEqual({ pos: 3, cursor: at(3), resync: undefined });
    expect(tail.watermark()).toBe(4);
    close();
  });
});
