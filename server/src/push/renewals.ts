import type { Clock, Timer } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";

/** Has a sender take over, again and again, what other processes have changed of the push credentials. `onSet` is told of each app that has another. */
export function startRenewals(options: {
  renew(): Promise<string[]>;
  onSet(appId: string): void;
  clock: Clock;
  everyMs: number;
  logger: Logger;
}): { close(): void } {
  const { clock, logger, everyMs } = options;
  let over = false;
  let timer: Timer | undefined;
  const look = async () => {
    try {
      for (const appId of await options.renew()) options.onSet(appId);
    } catch (error) {
      logger.debug({ err: error }, "the push credentials could not be looked at");
    }
    if (!over) timer = clock.setTimer(() => void look(), everyMs);
  };
  timer = clock.setTimer(() => void look(), everyMs);
  return {
    close() {
      over = true;
      timer?.cancel();
    },
  };
}
