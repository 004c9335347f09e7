import { deleteAuditEntries, hasAuditEntriesBefore } from "../store/audit.js";
import { dayOf, deleteStatistics, hasOldStatistics } from "../store/statistics.js";
import type { Ctx } from "./context.js";
import { nextTurn } from "./next-turn.js";

const STEP_ITEMS = 1_000;
/** Who was active is of use until the last of a day is counted, which a start after a crash may do late. */
const ACTIVE_DAYS_MS = 2 * 86_400_000;

/** Removes the counts of an app and the records of its administration that are older than they are kept. */
export async function trimRecords(
  ctx: Pick<Ctx, "read" | "committer" | "times">,
  appId: string,
  nowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const before = {
    hoursMs: nowMs - ctx.times.hourlyStatisticsMs,
    daysMs: nowMs - ctx.times.dailyStatisticsMs,
    activeMs: dayOf(nowMs) - ACTIVE_DAYS_MS,
  };
  const auditMs = nowMs - ctx.times.auditMs;
  const old =
    (await hasOldStatistics(ctx.read, appId, before)) || (await hasAuditEntriesBefore(ctx.read, appId, auditMs));
  for (let removed = old ? 1 : 0; removed > 0 && !signal.aborted; await nextTurn())
    removed = await ctx.committer.run(
      appId,
      async (tx) =>
        (await deleteStatistics(tx, before, STEP_ITEMS)) + (await deleteAuditEntries(tx, auditMs, STEP_ITEMS)),
      { frees: true },
    );
}
