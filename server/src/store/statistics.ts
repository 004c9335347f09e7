import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** The hour or the day, in UTC, that a moment lies in. */
export const hourOf = (ms: number): number => Math.floor(ms / HOUR_MS) * HOUR_MS;
export const dayOf = (ms: number): number => Math.floor(ms / DAY_MS) * DAY_MS;

/** What comes to a bucket: an amount to add, or a level that it reaches at least. */
export interface Addition {
  span: "h" | "d";
  startMs: number;
  name: string;
  value: number;
  as: "sum" | "peak";
}

/** An addition to the hour and the day of a moment. */
export function countAt(ms: number, name: string, value: number, as: Addition["as"] = "sum"): Addition[] {
  return [
    { span: "h", startMs: hourOf(ms), name, value, as },
    { span: "d", startMs: dayOf(ms), name, value, as },
  ];
}

export async function addToStatistics(tx: Tx, additions: readonly Addition[]): Promise<void> {
  for (const { span, startMs, name, value, as } of additions)
    await tx.db
      .insertInto("statistic")
      .values({ app_id: tx.appId, span, start_ms: startMs, name, value })
      .onConflict((conflict) => {
        const same = conflict.columns(["app_id", "span", "start_ms", "name"]);
        if (as === "sum")
          return same.doUpdateSet((e) => ({ value: e("statistic.value", "+", e.ref("excluded.value")) }));
        return same
          .doUpdateSet((e) => ({ value: e.ref("excluded.value") }))
          .whereRef("statistic.value", "<", "excluded.value");
      })
      .execute();
}

/** The counts of an app's buckets from one start to another, both included. */
export async function readStatistics(db: Db, appId: string, span: "h" | "d", fromMs: number, toMs: number) {
  return await db
    .selectFrom("statistic")
    .select(["start_ms", "name", "value"])
    .where("app_id", "=", appId)
    .where("span", "=", span)
    .where("start_ms", ">=", fromMs)
    .where("start_ms", "<=", toMs)
    .execute();
}

const STEP_USERS = 300;

/** Marks users as active on a day and gives the number of those who were not marked before. */
export async function markActive(tx: Tx, dayMs: number, userIds: readonly string[]): Promise<number> {
  let fresh = 0;
  for (let at = 0; at < userIds.length; at += STEP_USERS) {
    const result = await tx.db
      .insertInto("active_user")
      .values(userIds.slice(at, at + STEP_USERS).map((user_id) => ({ app_id: tx.appId, day_ms: dayMs, user_id })))
      .onConflict((conflict) => conflict.columns(["app_id", "day_ms", "user_id"]).doNothing())
      .executeTakeFirstOrThrow();
    fresh += Number(result.numInsertedOrUpdatedRows ?? 0);
  }
  return fresh;
}

/** The number of these users who are not marked as active on a day. */
export async function countUnmarked(db: Db, appId: string, dayMs: number, userIds: readonly string[]): Promise<number> {
  let unmarked = userIds.length;
  for (let at = 0; at < userIds.length; at += STEP_USERS) {
    const row = await db
      .selectFrom("active_user")
      .select((e) => e.fn.countAll<number>().as("count"))
      .where("app_id", "=", appId)
      .where("day_ms", "=", dayMs)
      .where("user_id", "in", userIds.slice(at, at + STEP_USERS))
      .executeTakeFirstOrThrow();
    unmarked -= Number(row.count);
  }
  return unmarked;
}

/** How far the messages of each app's log are in the counts. */
export async function readCounted(db: Db): Promise<Map<string, number>> {
  const rows = await db.selectFrom("counted_log").select(["app_id", "pos"]).execute();
  return new Map(rows.map((row) => [row.app_id, row.pos]));
}

/** How far the messages of an app's log are in the counts. */
export async function findCounted(db: Db, appId: string): Promise<number> {
  const row = await db.selectFrom("counted_log").select("pos").where("app_id", "=", appId).executeTakeFirst();
  return row?.pos ?? 0;
}

export async function keepCounted(tx: Tx, pos: number): Promise<void> {
  await tx.db
    .insertInto("counted_log")
    .values({ app_id: tx.appId, pos })
    .onConflict((conflict) => conflict.column("app_id").doUpdateSet({ pos }))
    .execute();
}

/** The events of some kinds after a position and up to another. */
export async function listEventsOf(
  db: Db,
  appId: string,
  kinds: readonly number[],
  afterPos: number,
  toPos: number,
): Promise<Pick<Row<"event">, "pos" | "kind" | "create_ms" | "audiences" | "payload">[]> {
  return await db
    .selectFrom("event")
    .select(["pos", "kind", "create_ms", "audiences", "payload"])
    .where("app_id", "=", appId)
    .where("pos", ">", afterPos)
    .where("pos", "<=", toPos)
    .where("kind", "in", kinds)
    .orderBy("pos")
    .execute();
}

/** Forgets the hours before one time and the days before another, at most `most` rows of each, and who was active before a third. Gives the number of rows. */
export async function deleteStatistics(
  tx: Tx,
  before: { hoursMs: number; daysMs: number; activeMs: number },
  most: number,
): Promise<number> {
  let removed = 0;
  for (const [span, beforeMs] of [
    ["h", before.hoursMs],
    ["d", before.daysMs],
  ] as const) {
    const rows = await tx.db
      .selectFrom("statistic")
      .select(["start_ms", "name"])
      .where("app_id", "=", tx.appId)
      .where("span", "=", span)
      .where("start_ms", "<", beforeMs)
      .limit(most)
      .execute();
    for (const { start_ms, name } of rows)
      await tx.db
        .deleteFrom("statistic")
        .where("app_id", "=", tx.appId)
        .where("span", "=", span)
        .where("start_ms", "=", start_ms)
        .where("name", "=", name)
        .execute();
    removed += rows.length;
  }
  const active = await tx.db
    .selectFrom("active_user")
    .select(["day_ms", "user_id"])
    .where("app_id", "=", tx.appId)
    .where("day_ms", "<", before.activeMs)
    .limit(most)
    .execute();
  for (const { day_ms, user_id } of active)
    await tx.db
      .deleteFrom("active_user")
      .where("app_id", "=", tx.appId)
      .where("day_ms", "=", day_ms)
      .where("user_id", "=", user_id)
      .execute();
  return removed + active.length;
}

/** Whether an app has counts of days or hours, or marks of activity, from before some times. */
export async function hasOldStatistics(
  db: Db,
  appId: string,
  before: { hoursMs: number; daysMs: number; activeMs: number },
): Promise<boolean> {
  const old = (span: "h" | "d", beforeMs: number) =>
    db
      .selectFrom("statistic")
      .select("start_ms")
      .where("app_id", "=", appId)
      .where("span", "=", span)
      .where("start_ms", "<", beforeMs)
      .limit(1)
      .executeTakeFirst();
  const active = db
    .selectFrom("active_user")
    .select("day_ms")
    .where("app_id", "=", appId)
    .where("day_ms", "<", before.activeMs)
    .limit(1)
    .executeTakeFirst();
  return (
    (await old("h", before.hoursMs)) !== undefined ||
    (await old("d", before.daysMs)) !== undefined ||
    (await active) !== undefined
  );
}
