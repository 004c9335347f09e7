import type { Clock } from "../../server/src/ops/clock.js";

/** A clock that moves when the test says so. */
export interface FakeClock extends Clock {
  /** Lets time pass on both clocks, running timers at their times. */
  advance(ms: number): void;
  /** Moves the wall clock alone, as somebody who sets it does. */
  setWall(ms: number): void;
  /** The number of timers that wait. */
  readonly pending: number;
}

export function fakeClock(startMs = Date.UTC(2030, 0, 1)): FakeClock {
  let [wallMs, monoMs] = [startMs, 0];
  const timers = new Set<{ atMs: number; fn: () => void }>();
  const pass = (ms: number) => {
    wallMs += ms;
    monoMs += ms;
  };
  return {
    now: () => Math.floor(wallMs),
    mono: () => monoMs,
    setTimer(fn, ms) {
      const timer = { atMs: monoMs + Math.max(0, ms), fn };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    advance(ms) {
      const endMs = monoMs + ms;
      for (;;) {
        // A set keeps the order of setting, so timers of one time run in it.
        let next: { atMs: number; fn: () => void } | undefined;
        for (const timer of timers)
          if (timer.atMs <= endMs && (next === undefined || timer.atMs < next.atMs)) next = timer;
        if (next === undefined) break;
        timers.delete(next);
        pass(Math.max(0, next.atMs - monoMs));
        next.fn();
      }
      pass(endMs - monoMs);
    },
    setWall(ms) {
      wallMs = ms;
    },
    get pending() {
      return timers.size;
    },
  };
}
