import { bulkInsert } from "./bulk.js";
import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";

export type AuditRow = Row<"audit_entry">;

const insertRows = bulkInsert("audit_entry", [
  "app_id",
  "create_ms",
  "entry_id",
  "service_key_id",
  "method",
  "targets",
  "target_count",
  "outcome",
  "reason",
  "request_id",
  "address",
]);

export async function insertAuditEntries(tx: Tx, rows: readonly AuditRow[]): Promise<void> {
  await insertRows(tx.db, rows);
}

/** Which entries to list: those of an app's service keys, or the operator's; times are from, and before. */
export interface AuditFilter {
  of: { appId: string } | "operator";
  fromMs: number | undefined;
  toMs: number | undefined;
  method: string | undefined;
}

/** At most `limit` entries, newest first, before one in that order. */
export async function listAuditEntries(
  db: Db,
  { of, fromMs, toMs, method }: AuditFilter,
  before: { createMs: number; id: string } | undefined,
  limit: number,
): Promise<AuditRow[]> {
  let query = db.selectFrom("audit_entry").selectAll();
  query =
    of === "operator"
      ? query.where("service_key_id", "=", "")
      : query.where("app_id", "=", of.appId).where("service_key_id", "!=", "");
  if (fromMs !== undefined) query = query.where("create_ms", ">=", fromMs);
  if (toMs !== undefined) query = query.where("create_ms", "<", toMs);
  if (method !== undefined) query = query.where("method", "=", method);
  if (before !== undefined)
    query = query
      .where("create_ms", "<=", before.createMs)
      .where((e) =>
        e.or([
          e("create_ms", "<", before.createMs),
          e.and([e("create_ms", "=", before.createMs), e("entry_id", "<", before.id)]),
        ]),
      );
  return await query.orderBy("create_ms", "desc").orderBy("entry_id", "desc").limit(limit).execute();
}

/** Whether there are entries of an app, or of the operator about no app, from before a time. */
export async function hasAuditEntriesBefore(db: Db, appId: string, beforeMs: number): Promise<boolean> {
  const found = await db
    .selectFrom("audit_entry")
    .select("entry_id")
    .where("app_id", "in", [appId, ""])
    .where("create_ms", "<", beforeMs)
    .limit(1)
    .executeTakeFirst();
  return found !== undefined;
}

/** Removes the entries of an app, and of the operator about no app, that are older than a time, at most `most`, and gives their number. */
export async function deleteAuditEntries(tx: Tx, beforeMs: number, most: number): Promise<number> {
  const old = await tx.db
    .selectFrom("audit_entry")
    .select(["app_id", "create_ms", "entry_id"])
    .where("app_id", "in", [tx.appId, ""])
    .where("create_ms", "<", beforeMs)
    .orderBy("create_ms")
    .limit(most)
    .execute();
  for (const row of old)
    await tx.db
      .deleteFrom("audit_entry")
      .where("app_id", "=", row.app_id)
      .where("create_ms", "=", row.create_ms)
      .where("entry_id", "=", row.entry_id)
      .execute();
  return old.length;
}
