import type { Times } from "../limits.js";
import type { Clock } from "../ops/clock.js";
import type { Metrics } from "../ops/metrics.js";
import type { Presence, PushOutcome, PushSender } from "../ports.js";
import { pushIdOf } from "../store/push-id.js";
import { type PushJob, readHandOver } from "../store/push-jobs.js";
import type { Db } from "../store/schema.js";
import { alertOf } from "./alert.js";
import type { Common } from "./common.js";
import { attendanceOf } from "./decide.js";
import type { HandOvers } from "./hand-overs.js";
import { type RetryRules, type Settlement, settlementOf } from "./outcome.js";
import type { SettledJob } from "./settle-jobs.js";

export interface PushOneOptions {
  read: Db;
  clock: Clock;
  times: Times;
  metrics: Metrics;
  sender: Pick<PushSender, "send">;
  presence: Pick<Presence, "standing">;
  handOvers: HandOvers;
  /** Whether this process may hand over; asked in the tick of the sending. */
  mayPush(): boolean;
  retry: RetryRules;
  random: () => number;
  /** The number of messages that a user has not read. */
  unreadOf(appId: string, userId: string): Promise<number>;
}

/** Takes one job to the provider, unless nobody is there to be pushed any more, or it is another process's by now: then it gives undefined. `tell` hears what the provider said. */
export async function pushOne(
  options: PushOneOptions,
  appId: string,
  job: PushJob,
  common: Common | undefined,
  tell: (outcome: PushOutcome) => void,
): Promise<SettledJob | undefined> {
  const { read, clock, sender, handOvers } = options;
  if (common === undefined) return unsent(job, { kind: "dropped", reason: "the message is gone" });
  if (job.expire_ms <= clock.now()) return unsent(job, { kind: "failed", reason: "expired" });
  const { said } = common;
  const pushId = pushIdOf(said.message.messageId, job.installation_id);
  // What may take long comes before the last look.
  const unread = said.options?.badge === undefined ? await options.unreadOf(appId, job.user_id) : 0;
  for (;;) {
    const way = handOvers.begin(appId, job.installation_id);
    try {
      const { installation, sessions, sent } = await readHandOver(read, appId, job, pushId);
      // From here to the sending nothing is awaited: what changed since the store was read is known from `withdrawn` and from memory.
      if (!options.mayPush()) return undefined;
      if (way.withdrawn) continue;
      if (sent) return unsent(job, { kind: "dropped", reason: "sent before" });
      if (installation?.user_id !== job.user_id || installation.push_token === "")
        return unsent(job, { kind: "dropped", reason: "unbound" });
      const standing = (sessionId: string) => options.presence.standing(appId, sessionId);
      if (attendanceOf(sessions, standing, job.pos, 0).receipt === "acknowledged")
        return unsent(job, { kind: "dropped", reason: "acknowledged" });
      const { installation_id: installationId, locale, push_token: token } = installation;
      const { push_provider: provider, push_environment: environment } = installation;
      const push = alertOf({ ...common, appId, installationId, locale, unread, expireMs: job.expire_ms });
      const answer = sender.send(appId, { provider, environment, token }, push);
      way.sending(answer);
      const outcome = await answer;
      tell(outcome);
      if (outcome.kind === "sent") options.metrics.pushLag.observe(Math.max(0, clock.now() - said.saidMs) / 1000);
      return settled(options, job, outcome, token, pushId);
    } finally {
      way.end();
    }
  }
}

/** A job that failed by a fault of ours: it is tried again like one whose provider cannot be reached. */
export function faulty(options: PushOneOptions, job: PushJob): SettledJob {
  return settled(options, job, { kind: "later", reason: "internal" }, "", "");
}

function settled(
  { clock, times, retry, random }: PushOneOptions,
  job: PushJob,
  outcome: PushOutcome,
  token: string,
  pushId: string,
): SettledJob {
  const nowMs = clock.now();
  const settlement = settlementOf(job, outcome, token, nowMs, retry, random);
  return { job, settlement, pushId, openedUntilMs: nowMs + times.pushOpenedMs };
}

function unsent(job: PushJob, settlement: Settlement): SettledJob {
  return { job, settlement, pushId: "", openedUntilMs: 0 };
}
