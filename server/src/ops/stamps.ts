import type { Clock } from "./clock.js";

const DAY_MS = 86_400_000;

/**
 * The time that is written on what is stored: the wall clock's, but where that leapt back by more than a day. What is stored with such a
 * time would be the oldest of all, and removed as such when the clock is right again; so until then, or a restart, time goes on from before.
 */
export function createStamps(clock: Pick<Clock, "now" | "mono">): () => number {
  let known = { wallMs: clock.now(), monoMs: clock.mono() };
  return () => {
    const [wallMs, monoMs] = [clock.now(), clock.mono()];
    const dueMs = known.wallMs + monoMs - known.monoMs;
    if (dueMs - wallMs > DAY_MS) return dueMs;
    known = { wallMs, monoMs };
    return wallMs;
  };
}
