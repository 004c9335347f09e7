import { afterAll, describe, expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { tempStore } from "../../../test/support/temp-store.js";
import { createLogger } from "../ops/logger.js";
import { createMetrics } from "../ops/metrics.js";
import type { Db } from "../store/schema.js";
import { createHub } from "./hub.js";
import { createMemoryBus } from "./memory-bus.js";

const bus = createMemoryBus();
const temp = await tempStore({ onCommit: bus.publish });
afterAll(() => temp[Symbol.asyncDispose]());

const emit = (appId: string) =>
  temp.committer.run(appId, async (tx) => tx.emit({ kind: 1, payload: Buffer.alloc(1), audiences: ["*"] }));
const newHub = (read: Db, metrics = createMetrics({ process: false })) =>
  createHub({ read, bus, clock: fakeClock(), logger: createLogger("silent"), metrics });

describe("hub", () => {
  test("a tail opened while events are committed is at the head, whenever it is opened", async () => {
    for (let ticks = 0; ticks < 60; ticks += 2) {
      const appId = `a${ticks}`;
      const hub = newHub(temp.store.read);
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

  test("a range that skips positions is not delivered; the tail begins anew from the log", async () => {
    const metrics = createMetrics({ process: false });
    const hub = newHub(temp.store.read, metrics);
    await emit("c");
    const tail = await hub.tail("c");
    const event = { kind: 1, payload: Buffer.alloc(1), audiences: ["*"], pos: 3 };
    bus.publish({ appId: "c", generationId: "0000000000000000", generationFirstPos: 0, events: [event] });
    expect(tail.state().head).toBe(1);
    expect(hub.known("c")).toBeUndefined();
    expect(await metrics.text()).toContain('parley_invariant_violations_total{invariant="contiguous_ranges"} 1');
    await emit("c");
    expect((await hub.tail("c")).state().head).toBe(2);
    hub.close();
  });

  test("a tail that could not be opened is tried again by the next who asks", async () => {
    let fails = true;
    const read = new Proxy(temp.store.read, {
      get(target, name) {
        if (fails) throw new Error("busy");
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const hub = newHub(read);
    await emit("b");
    await expect(Promise.all([hub.tail("b"), hub.tail("b")])).rejects.toThrow("busy");
    fails = false;
    expect((await hub.tail("b")).state().head).toBe(1);
    hub.close();
  });
});
