/** Time and chance, so that tests can hold both in their hands. */
export interface Clock {
  /** The milliseconds since 1970. */
  now(): number;
  /** Runs `task` once after `ms` milliseconds, unless the returned function was called before. */
  setTimer(ms: number, task: () => void): () => void;
  /** A number from 0 to 1, without 1. */
  random(): number;
}

/** The longest wait that setTimeout can take; a longer one would run at once. */
const longestTimerMs = 2 ** 31 - 1;

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(ms, task) {
    const timer = setTimeout(task, Math.min(Math.max(ms, 0), longestTimerMs));
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
