import type { Clock } from "../../server/src/ops/clock.js";
import { eventually } from "./eventually.js";
import { fakeClock } from "./fake-clock.js";
import { must } from "./messaging.js";

/** A clock whose timers of some spans ring when the test says so: whatever waits for such a span, and for no other, is known by it. */
export interface RingingClock {
  clock: Clock;
  time: ReturnType<typeof fakeClock>;
  /** Lets what waits for a span run, and waits for its end, at which it sets its timer anew. */
  ring(ms: number): Promise<void>;
}

export function ringingClock(...spansMs: readonly number[]): RingingClock {
  const time = fakeClock(Date.now());
  const held = new Map<number, () => void>();
  return {
    time,
    clock: {
      now: time.now,
      mono: time.mono,
      setTimer(fn, ms) {
        if (!spansMs.includes(ms)) return time.setTimer(fn, ms);
        held.set(ms, fn);
        return { cancel: () => void held.delete(ms) };
      },
    },
    async ring(ms) {
      const fn = await eventually(() => must(held.get(ms)));
      held.delete(ms);
      fn();
      await eventually(() => must(held.get(ms)));
    },
  };
}
