import { describe, expect, it, vi } from "vitest";
import { ackDelayMs, createAcknowledger, idleAckMs } from "./acknowledger.js";
import { createPauseLock } from "./pause-lock.js";
import { longestWaitMs, reconnectWait } from "./reconnect-policy.js";
import { createFakeClock } from "./testing/fake-clock.js";
import { createWatchdog } from "./watchdog.js";

describe("the wait before a reconnect", () => {
  const upper = { random: () => 1 };

  it("is none for the first try and then doubles to 30 s", () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 8, 9, 50].map((failures) => reconnectWait(failures, 300, upper));
    expect(waits).toEqual([0, 300, 600, 1200, 2400, 4800, 9600, 19_200, longestWaitMs, longestWaitMs]);
  });

  it("is a random part of it", () => {
    expect(reconnectWait(4, 300, { random: () => 0 })).toBe(0);
    expect(reconnectWait(4, 300, { random: () => 0.5 })).toBe(600);
  });

  it("is the server's when the server names one", () => {
    expect(reconnectWait(1, 300, upper, 5000)).toBe(5000);
    expect(reconnectWait(9, 300, upper, 0)).toBe(0);
  });
});

describe("the pause lock", () => {
  it("is held while a reason is left, and tells only of the first and the last", () => {
    const told: boolean[] = [];
    const lock = createPauseLock((held) => told.push(held));
    lock.add("app");
    lock.add("hidden");
    lock.add("app");
    lock.lift("app");
    lock.lift("offline");
    expect([...lock.reasons]).toEqual(["hidden"]);
    expect(told).toEqual([true]);
    lock.lift("hidden");
    lock.lift("hidden");
    expect(told).toEqual([true, false]);
  });
});

describe("the watchdog", () => {
  it("bites after 2.5 intervals of silence and not before", async () => {
    const clock = createFakeClock();
    const onDead = vi.fn();
    const watchdog = createWatchdog(clock, 1000, onDead);
    await clock.advance(2499);
    watchdog.heard(4000);
    await clock.advance(9999);
    expect(onDead).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(onDead).toHaveBeenCalledOnce();
  });

  it("does not bite while held or once stopped", async () => {
    const clock = createFakeClock();
    const onDead = vi.fn();
    const watchdog = createWatchdog(clock, 1000, onDead);
    watchdog.hold();
    await clock.advance(60_000);
    watchdog.heard();
    watchdog.stop();
    watchdog.heard();
    await clock.advance(60_000);
    expect(onDead).not.toHaveBeenCalled();
  });
});

describe("the acknowledger", () => {
  it("tells soon of what was applied, several events in one call, and every 25 s when nothing comes", async () => {
    const clock = createFakeClock();
    const sent: string[] = [];
    const acknowledger = createAcknowledger(clock, "", async (cursor) => void sent.push(cursor));
    acknowledger.start();
    acknowledger.applied("1");
    acknowledger.applied("2");
    await clock.advance(ackDelayMs);
    expect(sent).toEqual(["2"]);
    await clock.advance(idleAckMs);
    expect(sent).toEqual(["2", "2"]);
    expect(ackDelayMs).toBeLessThan(1000);
  });

  it("has one call under way and catches up after it", async () => {
    const clock = createFakeClock();
    const sent: string[] = [];
    const answers: (() => void)[] = [];
    const acknowledger = createAcknowledger(clock, "", (cursor) => {
      sent.push(cursor);
      return new Promise((resolve) => answers.push(resolve));
    });
    acknowledger.start();
    acknowledger.applied("1");
    await clock.advance(ackDelayMs);
    acknowledger.applied("2");
    await clock.advance(10 * idleAckMs);
    expect(sent).toEqual(["1"]);
    answers[0]?.();
    await clock.advance(ackDelayMs);
    expect(sent).toEqual(["1", "2"]);
  });

  it("survives a failure and says nothing once stopped", async () => {
    const clock = createFakeClock();
    const sent: string[] = [];
    const acknowledger = createAcknowledger(clock, "0", async (cursor) => {
      sent.push(cursor);
      throw new Error("no");
    });
    acknowledger.start();
    await clock.advance(ackDelayMs);
    acknowledger.applied("1");
    acknowledger.stop();
    await clock.advance(2 * idleAckMs);
    expect(sent).toEqual(["0"]);
    await acknowledger.flush();
    expect(sent).toEqual(["0", "1"]);
  });
});
