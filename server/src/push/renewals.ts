import type { Clock } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";
import { type Rounds, startRounds } from "../ops/rounds.js";

/** Has a sender take over, again and again, what other processes have changed of the push credentials. `onSet` is told of each app that has another. */
export function startRenewals(options: {
  renew(): Promise<string[]>;
  onSet(appId: string): void;
  clock: Clock;
  everyMs: number;
  logger: Logger;
}): Rounds {
  const { clock, everyMs } = options;
  return startRounds({
    clock,
    firstMs: everyMs,
    everyMs,
    async round() {
      for (const appId of await options.renew()) options.onSet(appId);
    },
    onError: (error) => options.logger.debug({ err: error }, "the push credentials could not be looked at"),
  });
}
