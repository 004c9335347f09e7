import type { Outcome, Tx } from "../store/committer.js";
import { dropToken } from "../store/installations.js";
import { addPushCounts, dayOf, keepPushSent, type PushCounts } from "../store/push-counts.js";
import {
  deletePushJob,
  deletePushJobsOf,
  findInstallationToken,
  type PushJob,
  retryPushJob,
} from "../store/push-jobs.js";
import type { Settlement } from "./outcome.js";

/** A job with what became of it. */
export interface SettledJob {
  job: PushJob;
  settlement: Settlement;
  pushId: string;
  /** Until when it can be told that the push was opened. */
  openedUntilMs: number;
}

/** Writes what became of jobs, together, and counts it. */
export async function settleJobs(tx: Tx, settled: readonly SettledJob[]): Promise<Outcome<void>[]> {
  const counts: PushCounts = { sent: 0, opened: 0, failed: 0 };
  for (const one of settled) await settleOne(tx, one, counts);
  if (counts.sent + counts.failed > 0) await addPushCounts(tx, dayOf(tx.nowMs), counts);
  return settled.map(() => ({ ok: true, value: undefined }));
}

async function settleOne(
  tx: Tx,
  { job, settlement, pushId, openedUntilMs }: SettledJob,
  counts: PushCounts,
): Promise<void> {
  switch (settlement.kind) {
    case "sent": {
      const push = { push_id: pushId, installation_id: job.installation_id, expire_ms: openedUntilMs };
      if (await keepPushSent(tx, push)) counts.sent += 1;
      return await deletePushJob(tx, job);
    }
    case "failed":
      counts.failed += 1;
      return await deletePushJob(tx, job);
    case "dropped":
      return await deletePushJob(tx, job);
    case "again":
      return await retryPushJob(tx, job, settlement.runMs, settlement.tries);
    case "dead_token": {
      const { sinceMs, again } = settlement;
      const dropped = await dropToken(tx, job.installation_id, settlement.token, sinceMs);
      // The app has registered a token since: it may be good.
      const token = dropped ? "" : await findInstallationToken(tx.db, tx.appId, job.installation_id);
      if (token !== "" && again !== undefined) return await retryPushJob(tx, job, again.runMs, again.tries);
      counts.failed += 1;
      await deletePushJob(tx, job);
      if (token === "") await deletePushJobsOf(tx, job.installation_id);
    }
  }
}
