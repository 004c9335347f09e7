import type { Clock } from "../../server/src/ops/clock.js";

/** A clock that stands still until it leaps: what fell due meanwhile runs once, late, as after a stop of the machine. */
export interface LeapingClock extends Clock {
  /** Lets time pass on both clocks. Tells whether a timer of this span ran. */
  leap(ms: number, span: number): boolean;
  /** Resolves when a timer of this span waits. */
  armed(span: number): Promise<void>;
}

export function leapingClock(startMs = Date.UTC(2030, 0, 1)): LeapingClock {
  let [wallMs, monoMs] = [startMs, 0];
  const timers = new Set<{ atMs: number; span: number; fn: () => void }>();
  let waiting: (() => void)[] = [];
  const isArmed = (span: number) => [...timers].some((timer) => timer.span === span);
  return {
    now: () => wallMs,
    mono: () => monoMs,
    setTimer(fn, span) {
      const timer = { atMs: monoMs + Math.max(0, span), span, fn };
      timers.add(timer);
      for (const look of waiting.splice(0)) look();
      return { cancel: () => void timers.delete(timer) };
    },
    leap(ms, span) {
      wallMs += ms;
      monoMs += ms;
      const due = [...timers].filter((timer) => timer.atMs <= monoMs).sort((a, b) => a.atMs - b.atMs);
      for (const timer of due) if (timers.delete(timer)) timer.fn();
      return due.some((timer) => timer.span === span);
    },
    async armed(span) {
      while (!isArmed(span)) await new Promise<void>((resolve) => (waiting = [...waiting, resolve]));
    },
  };
}
