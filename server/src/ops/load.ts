import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Clock } from "./clock.js";

/** "busy": new streams are put off. "flooded": new logins too. What is already under way goes on in any case. */
export type LoadLevel = "calm" | "busy" | "flooded";

/** How far this process is behind its work. */
export interface Load {
  level(): LoadLevel;
  /** Takes one of the few places for calls that are let in although they should be put off. */
  letIn(): boolean;
  /** After how many milliseconds a call that is put off now is to come back. */
  comeBackMs(): number;
  close(): void;
}

export interface LoadOptions {
  clock: Clock;
  /** How long a delay is looked at before it counts. */
  windowMs: number;
  busyMs: number;
  floodedMs: number;
  /** How many calls that should be put off are let in all the same in one second: on a slow machine somebody must get in, too. */
  letInPerSecond: number;
  /** How many of those that were put off are told to come back in one second. */
  returnsPerSecond: number;
  /** The 99th percentile of the event loop's delay since the last call, in milliseconds. */
  delay?: EventLoopDelay;
}

export interface EventLoopDelay {
  take(): number;
  close(): void;
}

/** How often it notes that the event loop runs; how many times the bound on its delay one turn alone may take. */
const TICK_MS = 100;
const HELD_FACTOR = 10;
/** The bounds of the time after which to come back. */
const RETURN_MS = { least: 1_000, most: 30_000 };

/**
 * Watches the event loop: one long pause does not count, a window in which every hundredth timer was late does. So does being held up
 * this very moment: when thousands ask at once they are served in one turn of the loop, and the last of them must not wait for all.
 */
export function createLoad({
  clock,
  windowMs,
  busyMs,
  floodedMs,
  letInPerSecond,
  returnsPerSecond,
  delay = measureDelay(),
}: LoadOptions): Load {
  let level: LoadLevel = "calm";
  let returnMs = 0;
  let letInMs = clock.mono() + 1000 / letInPerSecond;
  let tickMs = clock.mono();
  const tick = () => {
    tickMs = clock.mono();
    ticker = clock.setTimer(tick, TICK_MS);
  };
  let ticker = clock.setTimer(tick, TICK_MS);
  const look = () => {
    const late = delay.take();
    level = late > floodedMs ? "flooded" : late > busyMs ? "busy" : "calm";
    timer = clock.setTimer(look, windowMs);
  };
  let timer = clock.setTimer(look, windowMs);
  return {
    level: () => (level === "calm" && clock.mono() - tickMs > TICK_MS + HELD_FACTOR * busyMs ? "busy" : level),
    letIn() {
      const nowMs = clock.mono();
      if (letInMs > nowMs) return false;
      letInMs = nowMs + 1000 / letInPerSecond;
      return true;
    },
    comeBackMs() {
      // One after the other: to refuse costs about as much as to serve, so if all came back within a few seconds, refusing them
      // would itself keep the server behind its work, for ever.
      const nowMs = clock.mono();
      const nextMs = Math.max(returnMs + 1000 / returnsPerSecond, nowMs + RETURN_MS.least);
      if (nextMs > nowMs + RETURN_MS.most) return Math.round(RETURN_MS.most * (1 + Math.random()) * 0.5);
      returnMs = nextMs;
      return Math.round(nextMs - nowMs);
    },
    close() {
      timer.cancel();
      ticker.cancel();
      delay.close();
    },
  };
}

const RESOLUTION_MS = 20;

function measureDelay(): EventLoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  return {
    take() {
      // What it records is the whole time from one tick of its timer to the next.
      const late = histogram.percentile(99) / 1e6 - RESOLUTION_MS;
      histogram.reset();
      return late;
    },
    close: () => void histogram.disable(),
  };
}
