import type { Clock, Timer } from "./clock.js";

/** Work that is done again and again. */
export interface Rounds {
  /** Ends the round under way at its next step, waits for it, and begins no other. */
  close(): Promise<void>;
}

export interface RoundsOptions {
  clock: Clock;
  /** When the first round begins; at once when absent. */
  firstMs?: number;
  /** The pause behind each round. */
  everyMs: number;
  /** `signal` says that it is to end at its next step. */
  round(signal: AbortSignal): Promise<void>;
  /** Told of a round that failed while it was not to end; the next one comes all the same. */
  onError(error: unknown): void;
}

export function startRounds({ clock, firstMs, everyMs, round, onError }: RoundsOptions): Rounds {
  const over = new AbortController();
  let timer: Timer | undefined;
  let running: Promise<void> = Promise.resolve();

  const run = async (): Promise<void> => {
    try {
      await round(over.signal);
    } catch (error) {
      if (!over.signal.aborted) onError(error);
    }
    if (!over.signal.aborted) timer = clock.setTimer(begin, everyMs);
  };
  const begin = () => {
    running = run();
  };
  if (firstMs === undefined) begin();
  else timer = clock.setTimer(begin, firstMs);

  return {
    async close() {
      over.abort();
      timer?.cancel();
      await running;
    },
  };
}
