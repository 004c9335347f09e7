import { afterEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "./clock.js";

const day = 24 * 60 * 60 * 1000;

describe("systemClock", () => {
  afterEach(() => void vi.useRealTimers());

  test("fires once, at its time", () => {
    vi.useFakeTimers();
    const fn = vi.fn();
    systemClock.setTimer(fn, 50);
    vi.advanceTimersByTime(49);
    expect(fn).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1000);
    expect(fn).toHaveBeenCalledOnce();
  });

  test("a cancelled timer never fires, not even between the hops of a long wait", () => {
    vi.useFakeTimers();
    const fn = vi.fn();
    const timer = systemClock.setTimer(fn, 60 * day);
    vi.advanceTimersByTime(30 * day);
    timer.cancel();
    vi.advanceTimersByTime(60 * day);
    expect(fn).not.toHaveBeenCalled();
  });

  test("waits longer than Node's 24.8 days do not fire at once", () => {
    vi.useFakeTimers();
    const fn = vi.fn();
    systemClock.setTimer(fn, 60 * day);
    vi.advanceTimersByTime(60 * day - 1);
    expect(fn).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(fn).toHaveBeenCalledOnce();
  });

  test("holds the process only when asked to", () => {
    const held = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const before = held();
    const idle = systemClock.setTimer(() => {}, day);
    expect(held()).toBe(before);
    const awaited = systemClock.setTimer(() => {}, day, { keepAlive: true });
    expect(held()).toBe(before + 1);
    idle.cancel();
    awaited.cancel();
  });

  test("monotonic time does not go back", () => {
    const first = systemClock.mono();
    expect(systemClock.mono()).toBeGreaterThanOrEqual(first);
  });
});
