import type { Clock } from "../clock.js";

/** A clock whose timers run in the very moment that time passes them. */
export function createPassingClock(): { clock: Clock; pass: (ms: number) => void } {
  const timers = new Set<{ at: number; task: () => void }>();
  let now = 1_700_000_000_000;
  const clock: Clock = {
    now: () => now,
    random: () => 0.5,
    setTimer(ms, task) {
      const timer = { at: now + Math.max(ms, 0), task };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  return {
    clock,
    pass(ms) {
      now += ms;
      for (const timer of [...timers].sort((a, b) => a.at - b.at)) {
        if (timer.at > now || !timers.delete(timer)) continue;
        timer.task();
      }
    },
  };
}
