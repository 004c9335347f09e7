import type { Limits, Times } from "../limits.js";
import type { Timer } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";
import type { PushOutcome, PushSender } from "../ports.js";
import type { Committer } from "../store/committer.js";
import { listDuePushJobs, listPushingApps, nextPushMs, type PushJob } from "../store/push-jobs.js";
import { type Breaker, createBreaker } from "./breaker.js";
import { type Common, readCommon } from "./common.js";
import { faulty, type PushOneOptions, pushOne } from "./push-one.js";
import { settleJobs } from "./settle-jobs.js";

/** Hands queued pushes over to the provider, and settles what became of each. */
export interface PushWorker {
  /** Looks for what is due in an app. */
  wake(appId: string): void;
  /** The app's credential was changed: what was held back because of it is let go. */
  credentialChanged(appId: string): void;
  /** The number of apps whose pushes wait because their credential is refused. */
  openBreakers(): number;
  /** Begins nothing new, and waits for what is on its way, but not for ever. */
  close(): Promise<void>;
}

export interface PushWorkerOptions extends Omit<PushOneOptions, "retry" | "random"> {
  committer: Committer;
  limits: Limits;
  times: Times;
  logger: Logger;
  sender: PushSender;
}

/** One app's pushing. A provider that hangs for one app holds up nobody else's. */
interface Lane {
  readonly appId: string;
  readonly breaker: Breaker;
  /** The jobs on their way. */
  readonly inFlight: Map<string, Promise<void>>;
  running: boolean;
  again: boolean;
  timer: Timer | undefined;
}

const RETRY_MS = 1_000;

/** Starts with what was queued before. */
export async function startPushWorker(options: PushWorkerOptions): Promise<PushWorker> {
  const { read, committer, clock, limits, times, logger, sender } = options;
  const retry = { tries: limits.pushTries, baseMs: times.pushRetryMs, mostMs: times.pushRetryMostMs };
  const lanes = new Map<string, Lane>();
  let closed = false;

  const laneOf = (appId: string): Lane => {
    let lane = lanes.get(appId);
    if (lane === undefined) {
      const breaker = createBreaker(clock, limits.pushCredentialFailures, times.pushBreakerMs);
      lane = { appId, breaker, inFlight: new Map(), running: false, again: false, timer: undefined };
      lanes.set(appId, lane);
    }
    return lane;
  };

  const wake = (lane: Lane): void => {
    lane.again = true;
    if (lane.running || closed) return;
    lane.running = true;
    lane.timer?.cancel();
    void run(lane).then((waitMs) => {
      lane.running = false;
      if (closed) return;
      if (lane.again) wake(lane);
      else if (waitMs !== undefined) lane.timer = clock.setTimer(() => wake(lane), waitMs);
    });
  };

  /** Begins what may be begun, and gives the time after which to look again, if there is one. */
  const run = async (lane: Lane): Promise<number | undefined> => {
    try {
      while (lane.again && !closed) {
        lane.again = false;
        await begin(lane);
      }
      return await untilNext(lane);
    } catch (error) {
      lane.again = false;
      if (!closed) logger.warn({ err: error, appId: lane.appId }, "pushes could not be looked for yet");
      return RETRY_MS;
    }
  };

  const begin = async (lane: Lane): Promise<void> => {
    const { appId, inFlight, breaker } = lane;
    const room = () => breaker.room(limits.pushesInFlight) - inFlight.size;
    if (room() <= 0) return;
    const nowMs = clock.now();
    // Those on their way are still in the store, and among the oldest.
    const due = await listDuePushJobs(read, appId, nowMs, nowMs + times.pushLifeMs, inFlight.size + room());
    // An app without a credential has its pushes wait for one, and in the end expire.
    const can = sender.canPush(appId);
    const jobs = due.filter((job) => !inFlight.has(keyOf(job)) && (can || job.expire_ms <= nowMs));
    const common = await readCommon(
      read,
      appId,
      jobs.map(({ pos }) => pos),
    );
    if (closed || !options.mayPush()) return;
    for (const job of jobs.slice(0, Math.max(0, room()))) {
      const over = () => {
        inFlight.delete(keyOf(job));
        wake(lane);
      };
      inFlight.set(keyOf(job), handle(lane, job, common.get(job.pos)).then(over));
    }
  };

  const untilNext = async ({ appId, breaker }: Lane): Promise<number | undefined> => {
    if (breaker.waitMs() > 0) return breaker.waitMs();
    if (!options.mayPush()) return RETRY_MS;
    const nowMs = clock.now();
    const next = await nextPushMs(read, appId, nowMs);
    if (!sender.canPush(appId)) return times.pushBreakerMs;
    // What is on its way wakes the lane when it is over.
    return next === undefined ? undefined : Math.max(1, next - nowMs);
  };

  /** Takes one job to its end or to its next try. Never rejects. */
  const handle = async (lane: Lane, job: PushJob, common: Common | undefined): Promise<void> => {
    const { appId } = lane;
    const deps = { ...options, retry, random: Math.random };
    const settled = await pushOne(deps, appId, job, common, (outcome) => note(lane, outcome)).catch(
      (error: unknown) => {
        logger.error({ err: error, appId }, "a push could not be made");
        return faulty(deps, job);
      },
    );
    if (settled === undefined) return;
    options.metrics.pushes.inc({ outcome: settled.settlement.kind });
    // What cannot be settled yet must not be handed over again meanwhile, so it keeps its place.
    while (!closed) {
      try {
        return await committer.submit(appId, settleJobs, settled);
      } catch (error) {
        logger.warn({ err: error, appId }, "what became of a push could not be stored yet");
        await new Promise<void>((resolve) => clock.setTimer(resolve, RETRY_MS));
      }
    }
    await committer.submit(appId, settleJobs, settled).catch(() => undefined);
  };

  const note = ({ appId, breaker }: Lane, outcome: PushOutcome): void => {
    // Who cannot be reached has said nothing of the credential.
    if (outcome.kind === "later") return;
    if (outcome.kind !== "no_credential") breaker.accepted();
    else if (breaker.refused())
      logger.error({ appId, reason: outcome.reason }, "the app's push credential is refused; its pushes wait");
  };

  for (const appId of await listPushingApps(read)) wake(laneOf(appId));

  return {
    wake: (appId) => wake(laneOf(appId)),
    credentialChanged(appId) {
      const lane = laneOf(appId);
      lane.breaker.accepted();
      wake(lane);
    },
    openBreakers: () => [...lanes.values()].filter(({ breaker }) => breaker.waitMs() > 0).length,
    async close() {
      closed = true;
      for (const { timer } of lanes.values()) timer?.cancel();
      const onTheirWay = [...lanes.values()].flatMap(({ inFlight }) => [...inFlight.values()]);
      if (onTheirWay.length === 0) return;
      await new Promise<void>((resolve) => {
        const timer = clock.setTimer(resolve, times.pushHandOverMs, { keepAlive: true });
        void Promise.all(onTheirWay).then(() => {
          timer.cancel();
          resolve();
        });
      });
    },
  };
}

const keyOf = ({ pos, installation_id }: PushJob): string => `${pos}|${installation_id}`;
