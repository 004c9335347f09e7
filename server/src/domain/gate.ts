import { DomainError, ErrorReason } from "./errors.js";

/** Lets a few works run at once and a few more wait; past that it throws SERVER_BUSY at once. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>;

export function createGate(options: { atOnce: number; queue: number; retryDelayMs: number }): Gate {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running < options.atOnce) running += 1;
    else if (waiting.length < options.queue) await new Promise<void>((resolve) => waiting.push(resolve));
    else throw new DomainError(ErrorReason.SERVER_BUSY, "the server is busy", { retryDelayMs: options.retryDelayMs });
    try {
      return await work();
    } finally {
      // A place is handed on, so that nobody new can take it before the one who waited.
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
