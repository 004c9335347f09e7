import type { Clock } from "../ops/clock.js";

/** Holds an app's pushes back while its credential is refused, so that nobody's tries are burnt on it. */
export interface Breaker {
  /** How many pushes may be on their way at once just now: none while it is open, and one when it is to be seen whether it may close. */
  room(most: number): number;
  /** How long until it may be tried again; 0 when it may. */
  waitMs(): number;
  /** The provider has taken the credential: it closes. */
  accepted(): void;
  /** The provider has refused the credential. Says whether that has opened it. */
  refused(): boolean;
}

/** Makes one that opens for `openMs` after `failures` refusals in a row, and after each further one. */
export function createBreaker(clock: Clock, failures: number, openMs: number): Breaker {
  let refusals = 0;
  let untilMs = Number.NEGATIVE_INFINITY;
  const waitMs = () => Math.max(0, untilMs - clock.mono());
  return {
    room: (most) => (waitMs() > 0 ? 0 : refusals >= failures ? Math.min(1, most) : most),
    waitMs,
    accepted() {
      refusals = 0;
      untilMs = Number.NEGATIVE_INFINITY;
    },
    refused() {
      refusals += 1;
      // Those that were on their way already say nothing new.
      if (refusals < failures || waitMs() > 0) return false;
      untilMs = clock.mono() + openMs;
      return true;
    },
  };
}
