import type { Timer } from "../../ops/clock.js";
import type { Logger } from "../../ops/logger.js";
import { listApps } from "../../store/apps.js";
import { type AuditRow, insertAuditEntries } from "../../store/audit.js";
import type { Ctx } from "../context.js";

/** Takes the records of calls that changed nothing: they are written together, a little later, so that whoever is refused a thousand times costs one write. */
export interface AuditLog {
  later(entry: AuditRow): void;
  /** Writes what waits, and takes no more. */
  close(): Promise<void>;
}

export function createAuditLog(
  ctx: Pick<Ctx, "read" | "committer" | "clock" | "times" | "limits">,
  logger: Logger,
): AuditLog {
  let waiting: AuditRow[] = [];
  let lost = 0;
  let timer: Timer | undefined;
  let writing: Promise<void> = Promise.resolve();

  const write = async () => {
    const entries = waiting;
    waiting = [];
    for (const [lane, rows] of await byLane(ctx, entries))
      await ctx.committer
        .run(lane, (tx) => insertAuditEntries(tx, rows))
        .catch((error: unknown) => {
          logger.warn({ err: error, entries: rows.length }, "records of refused calls could not be written yet");
          keep(rows);
        });
    if (lost > 0) logger.error({ entries: lost }, "records of refused calls are lost, since they could not be written");
    lost = 0;
  };
  const keep = (rows: readonly AuditRow[]) => {
    waiting.push(...rows);
    const over = waiting.length - ctx.limits.auditWaitingEntries;
    if (over > 0) {
      waiting.splice(0, over);
      lost += over;
    }
    if (waiting.length > 0) timer ??= ctx.clock.setTimer(flush, ctx.times.countsPersistMs);
  };
  const flush = () => {
    timer = undefined;
    writing = writing.then(write).catch((error: unknown) => logger.warn({ err: error }, "no record could be written"));
  };

  return {
    later: (entry) => keep([entry]),
    async close() {
      timer?.cancel();
      flush();
      await writing;
      timer?.cancel();
    },
  };
}

/** Rows by the app in whose turn they are written: their own, and any for the operator's, which are about none. */
async function byLane(ctx: Pick<Ctx, "read">, rows: readonly AuditRow[]): Promise<Map<string, AuditRow[]>> {
  const lanes = new Map<string, AuditRow[]>();
  const any = rows.some((row) => row.app_id === "") ? (await listApps(ctx.read, "", 1))[0]?.app_id : undefined;
  for (const row of rows) {
    const lane = row.app_id === "" ? any : row.app_id;
    if (lane !== undefined) lanes.set(lane, [...(lanes.get(lane) ?? []), row]);
  }
  return lanes;
}
