import { describe, expect, test, vi } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { createLoad } from "./load.js";

function watched() {
  const clock = fakeClock();
  const delays: number[] = [];
  const delay = { take: () => delays.shift() ?? 0, close: vi.fn() };
  const load = createLoad({
    clock,
    windowMs: 5000,
    busyMs: 100,
    floodedMs: 500,
    letInPerSecond: 50,
    returnsPerSecond: 250,
    delay,
  });
  return { clock, delays, load, delay };
}

describe("createLoad", () => {
  test("judges whole windows: calm up to the bound, busy above it, flooded above the next, and calm again", () => {
    const { clock, delays, load } = watched();
    delays.push(100, 101, 501, 3);
    const seen = [load.level()];
    for (let window = 0; window < 4; window++) {
      clock.advance(5000);
      seen.push(load.level());
    }
    expect(seen).toEqual(["calm", "calm", "busy", "flooded", "calm"]);
  });

  test("is busy while one turn of the event loop holds it up for a second, and only then", () => {
    let now = 0;
    const clock = { ...fakeClock(), mono: () => now };
    const load = createLoad({
      clock,
      windowMs: 5000,
      busyMs: 100,
      floodedMs: 500,
      letInPerSecond: 50,
      returnsPerSecond: 250,
      delay: { take: () => 0, close() {} },
    });
    now = 1100;
    expect(load.level()).toBe("calm");
    now = 1101;
    expect(load.level()).toBe("busy");
    clock.advance(100);
    expect(load.level()).toBe("calm");
    load.close();
  });

  test("those that are put off are told to come back one after the other, each once, and none later than half a minute", () => {
    const { clock, load } = watched();
    const first = Array.from({ length: 7_251 }, () => load.comeBackMs());
    expect(first.slice(0, 3)).toEqual([1000, 1004, 1008]);
    expect(first.at(-1)).toBe(30_000);
    for (let more = 0; more < 100; more++) {
      const ms = load.comeBackMs();
      expect(ms).toBeGreaterThanOrEqual(15_000);
      expect(ms).toBeLessThanOrEqual(30_000);
    }
    clock.advance(10_000);
    expect(load.comeBackMs()).toBe(20_004);
    clock.advance(60_000);
    expect(load.comeBackMs()).toBe(1000);
    load.close();
  });

  test("lets a few in, whatever its level", () => {
    const { clock, load } = watched();
    let inside = 0;
    for (let ms = 0; ms < 1000; ms++) {
      clock.advance(1);
      for (let asked = 0; asked < 10; asked++) if (load.letIn()) inside++;
    }
    expect(inside).toBe(50);
    load.close();
  });

  test("leaves nothing behind", () => {
    const { clock, load, delay } = watched();
    load.close();
    expect(clock.pending).toBe(0);
    expect(delay.close).toHaveBeenCalledOnce();
  });

  test("the real measure sees an event loop that is held up again and again, and not one that is free", async () => {
    const clock = fakeClock();
    const load = createLoad({
      clock,
      windowMs: 1000,
      busyMs: 100,
      floodedMs: 60_000,
      letInPerSecond: 50,
      returnsPerSecond: 250,
    });
    await turns(30);
    for (let hold = 0; hold < 5; hold++) {
      const until = performance.now() + 150;
      while (performance.now() < until);
      await turns(1);
    }
    clock.advance(1000);
    expect(load.level()).toBe("busy");
    clock.advance(1000);
    expect(load.level()).toBe("calm");
    load.close();
  });
});

/** Lets the measure's own timer, which ticks every 20 ms, run. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 25));
}
