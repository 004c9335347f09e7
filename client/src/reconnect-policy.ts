import type { Clock } from "./clock.js";

/** The longest wait between two attempts, in milliseconds. */
export const longestWaitMs = 30_000;

/** The time a stream must stay live before its past failures are forgotten, in milliseconds. */
export const steadyAfterMs = 60_000;

/**
 * The wait before the next try, in milliseconds: the first try after a success goes at once, the ones after it wait a random time (full
 * jitter) below `baseMs`, doubled by each further failure up to 30 s. A server that names a delay is obeyed.
 *
 * @param failures the failures so far, at least 1
 * @param baseMs the bound of the first real wait
 */
export function reconnectWait(
  failures: number,
  baseMs: number,
  clock: Pick<Clock, "random">,
  retryDelayMs?: number,
): number {
  if (retryDelayMs !== undefined) return retryDelayMs;
  if (failures <= 1) return 0;
  return Math.round(clock.random() * Math.min(longestWaitMs, baseMs * 2 ** (failures - 2)));
}
