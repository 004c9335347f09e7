import type { Clock } from "./clock.js";

/** The number of heartbeat intervals of silence after which a stream counts as dead. */
export const silentIntervals = 2.5;

/** The guard of one attempt. It bites once. */
export interface Watchdog {
  /** The stream was heard: the silence starts over, with a new interval if one is given (milliseconds). */
  heard(intervalMs?: number): void;
  /** Nobody listens just now (the application is busy with an event), so silence means nothing until `heard`. */
  hold(): void;
  /** Puts the guard away. */
  stop(): void;
}

/** Makes a guard that calls `onDead` after 2.5 intervals without `heard`. */
export function createWatchdog(clock: Clock, intervalMs: number, onDead: () => void): Watchdog {
  let interval = intervalMs;
  let stopped = false;
  let cancel = clock.setTimer(interval * silentIntervals, onDead);
  return {
    heard(next = interval) {
      cancel();
      if (stopped) return;
      interval = next;
      cancel = clock.setTimer(interval * silentIntervals, onDead);
    },
    hold: () => cancel(),
    stop() {
      stopped = true;
      cancel();
    },
  };
}
