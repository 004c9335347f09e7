import type { Clock } from "../ops/clock.js";

/** What one node at a time does for all. */
export interface Duties {
  start(): Promise<void>;
  /** Ends what was started, also when its start failed half way. */
  stop(): Promise<void>;
}

/** Starts and stops the duties, one after the other, whatever comes in between. */
export interface Keeping {
  set(keeps: boolean): void;
  /** Resolves when what was set last is so. */
  settled(): Promise<void>;
}

const RETRY_MS = 1_000;

export function createKeeping(duties: Duties, clock: Clock, onError: (error: unknown) => void): Keeping {
  let wanted = false;
  let running = false;
  let turning: Promise<void> | undefined;

  const turn = async (): Promise<void> => {
    while (running !== wanted) {
      running = wanted;
      try {
        await (running ? duties.start() : duties.stop());
      } catch (error) {
        onError(error);
        if (!running) continue;
        await duties.stop().catch(onError);
        running = false;
        await new Promise<void>((resolve) => clock.setTimer(resolve, RETRY_MS));
      }
    }
    turning = undefined;
  };

  return {
    set(keeps) {
      wanted = keeps;
      if (turning === undefined && running !== wanted) turning = turn();
    },
    async settled() {
      while (turning !== undefined) await turning;
    },
  };
}
