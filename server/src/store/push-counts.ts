import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";

const DAY_MS = 86_400_000;

/** The day of a time, counted from 1970 in UTC. */
export const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);

/** Pushes of a day: those that a provider took, those of them that were opened, and those that were given up. */
export type PushCounts = Pick<Row<"push_count">, "sent" | "opened" | "failed">;

/** Adds to the pushes of a day. */
export async function addPushCounts(tx: Tx, day: number, more: Partial<PushCounts>): Promise<void> {
  const counts = { sent: 0, opened: 0, failed: 0, ...more };
  await tx.db
    .insertInto("push_count")
    .values({ app_id: tx.appId, day, ...counts })
    .onConflict((conflict) =>
      conflict.columns(["app_id", "day"]).doUpdateSet((e) => ({
        sent: e("push_count.sent", "+", counts.sent),
        opened: e("push_count.opened", "+", counts.opened),
        failed: e("push_count.failed", "+", counts.failed),
      })),
    )
    .execute();
}

/** The pushes of an app on the days that had any, from one day up to another, by rising day. */
export async function listPushCounts(
  db: Db,
  appId: string,
  fromDay: number,
  toDay: number,
): Promise<({ day: number } & PushCounts)[]> {
  return await db
    .selectFrom("push_count")
    .select(["day", "sent", "opened", "failed"])
    .where("app_id", "=", appId)
    .where("day", ">=", fromDay)
    .where("day", "<=", toDay)
    .orderBy("day")
    .execute();
}

/** Keeps that a push was taken, until a time. Says whether that was not known. */
export async function keepPushSent(tx: Tx, push: Omit<Row<"push_sent">, "app_id" | "opened">): Promise<boolean> {
  const result = await tx.db
    .insertInto("push_sent")
    .values({ ...push, app_id: tx.appId, opened: 0 })
    .onConflict((conflict) => conflict.columns(["app_id", "push_id"]).doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** Marks a push as opened on its installation. */
export async function openPush(tx: Tx, pushId: string, installationId: string): Promise<"first" | "again" | "unknown"> {
  const sent = await tx.db
    .selectFrom("push_sent")
    .select(["installation_id", "opened"])
    .where("app_id", "=", tx.appId)
    .where("push_id", "=", pushId)
    .executeTakeFirst();
  if (sent?.installation_id !== installationId) return "unknown";
  if (sent.opened === 1) return "again";
  await tx.db
    .updateTable("push_sent")
    .set({ opened: 1 })
    .where("app_id", "=", tx.appId)
    .where("push_id", "=", pushId)
    .execute();
  return "first";
}
