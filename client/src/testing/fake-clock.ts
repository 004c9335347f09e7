import type { Clock } from "../clock.js";

/** A clock that moves only when told. */
export interface FakeClock extends Clock {
  /** Moves on by `ms`, running what comes due on the way, each at its own time and with all that follows from it. */
  advance(ms: number): Promise<void>;
  /** The waits that are set, in milliseconds from now, rising. */
  waits(): number[];
}

/** Lets everything that is ready run: promises, and streams in memory. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Makes a clock. `random` is what chance gives, by default 0.5. */
export function createFakeClock(random: () => number = () => 0.5): FakeClock {
  const timers = new Set<{ at: number; task: () => void }>();
  let now = 1_700_000_000_000;

  function nextDue(until: number) {
    return [...timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
  }

  return {
    now: () => now,
    random,
    setTimer(ms, task) {
      const timer = { at: now + Math.max(ms, 0), task };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (let timer = nextDue(until); timer; timer = nextDue(until)) {
        timers.delete(timer);
        now = Math.max(now, timer.at);
        timer.task();
        await settle();
      }
      now = until;
    },
    waits: () => [...timers].map(({ at }) => at - now).sort((a, b) => a - b),
  };
}
