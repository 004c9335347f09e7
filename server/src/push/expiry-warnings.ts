import type { Times } from "../limits.js";
import type { Clock } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";
import { type Rounds, startRounds } from "../ops/rounds.js";
import { listExpiringPushCredentials } from "../store/push-credentials.js";
import type { Db } from "../store/schema.js";

/** Says in the log, at once and every day, which certificates are about to expire or have expired. */
export function startExpiryWarnings(options: {
  read: Db;
  clock: Clock;
  logger: Logger;
  times: Pick<Times, "credentialExpiryWarningMs" | "credentialCheckMs">;
}): Rounds {
  const { read, clock, logger, times } = options;
  const round = async () => {
    const nowMs = clock.now();
    for (const { app_id, topic, environment, expire_ms } of await listExpiringPushCredentials(
      read,
      nowMs + times.credentialExpiryWarningMs,
    )) {
      const facts = { appId: app_id, topic, environment, expireTime: new Date(expire_ms ?? 0).toISOString() };
      if ((expire_ms ?? 0) <= nowMs) logger.error(facts, "a push certificate has expired: its app cannot push");
      else logger.warn(facts, "a push certificate expires soon");
    }
  };
  return startRounds({
    clock,
    everyMs: times.credentialCheckMs,
    round,
    onError: (error) => logger.warn({ err: error }, "the push certificates were not looked at"),
  });
}
