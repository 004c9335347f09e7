export interface Timer {
  cancel(): void;
}

/** The only way the server tells time, so that tests can own it. */
export interface Clock {
  /** Wall clock in milliseconds. It may jump: for people and stored times, never for order or time-outs. */
  now(): number;
  /** Monotonic milliseconds from an arbitrary start: for time-outs and durations. */
  mono(): number;
  /**
   * Runs `fn` once after `ms`. It does not keep the process alive unless `keepAlive` says so:
   * pending housekeeping must not hold up a shutdown, a wait that somebody awaits must not end early.
   */
  setTimer(fn: () => void, ms: number, options?: { readonly keepAlive?: boolean }): Timer;
}

/** Beyond this Node fires at once instead of late, so longer waits (sessions live 30 days) take several hops. */
const longestHopMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  mono: () => performance.now(),
  setTimer(fn, ms, { keepAlive = false } = {}) {
    let handle: NodeJS.Timeout;
    const hop = (left: number): void => {
      handle = setTimeout(() => (left > longestHopMs ? hop(left - longestHopMs) : fn()), Math.min(left, longestHopMs));
      if (!keepAlive) handle.unref();
    };
    hop(ms);
    return { cancel: () => clearTimeout(handle) };
  },
};
