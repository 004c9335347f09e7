import { removeUses } from "./attachment-uses.js";
import type { Tx } from "./committer.js";
import type { Db } from "./schema.js";

/** More than a step of messages or events can have. */
const STEP_USES = 100_000;
const LAST_RUN = "retention_last_run_ms";

/** The wall clock at the last run of retention, or undefined before the first. */
export async function readLastRun(db: Db): Promise<number | undefined> {
  const row = await db.selectFrom("meta").select("value").where("name", "=", LAST_RUN).executeTakeFirst();
  return row === undefined ? undefined : Number(row.value);
}

export async function keepLastRun(tx: Tx, wallMs: number): Promise<void> {
  await tx.db
    .insertInto("meta")
    .values({ name: LAST_RUN, value: String(wallMs) })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ value: String(wallMs) }))
    .execute();
}

/** The events after a position up to the first that is not older than a time, at most `most`. */
export async function listEventsBefore(db: Db, appId: string, afterPos: number, beforeMs: number, most: number) {
  const rows = await db
    .selectFrom("event")
    .select(["pos", "kind", "create_ms", "audiences"])
    .where("app_id", "=", appId)
    .where("pos", ">", afterPos)
    .orderBy("pos")
    .limit(most)
    .execute();
  return olderPrefix(rows, beforeMs);
}

/**
 * Removes the oldest events of a log that are older than a time, at most `most`, with all that only they needed: their audiences, the generations
 * that end below the new floor, and the stays that end there. Stays are looked for where an event of `stayKinds` goes. Gives the new floor and the number of events.
 */
export async function trimLog(
  tx: Tx,
  beforeMs: number,
  most: number,
  stayKinds: ReadonlySet<number>,
): Promise<{ floor: number; removed: number }> {
  const log = await tx.db
    .selectFrom("app_log")
    .select("floor_pos")
    .where("app_id", "=", tx.appId)
    .executeTakeFirstOrThrow();
  const old = await listEventsBefore(tx.db, tx.appId, log.floor_pos, beforeMs, most);
  const floor = old.at(-1)?.pos;
  if (floor === undefined) return { floor: log.floor_pos, removed: 0 };
  await tx.db.updateTable("app_log").set({ floor_pos: floor }).where("app_id", "=", tx.appId).execute();
  await deleteAudiences(tx, new Set(old.flatMap((event) => event.audiences.split("\n"))), floor);
  await tx.db.deleteFrom("event").where("app_id", "=", tx.appId).where("pos", "<=", floor).execute();
  // A cursor at the floor is still good, so the generation that holds it stays.
  await tx.db
    .deleteFrom("generation")
    .where("app_id", "=", tx.appId)
    .where("first_pos", "<", (e) =>
      e
        .selectFrom("generation as kept")
        .select((k) => k.fn.coalesce(k.fn.max("kept.first_pos"), k.lit(0)).as("first_pos"))
        .where("kept.app_id", "=", tx.appId)
        .where("kept.first_pos", "<=", floor),
    )
    .execute();
  // What went to everyone is readable nowhere but here.
  await removeUses(tx, "", floor, STEP_USES);
  const moved = old.filter((event) => stayKinds.has(event.kind)).flatMap((event) => event.audiences.split("\n"));
  await deleteStays(tx, new Set(moved.filter((audience) => /^[gr]:/.test(audience))), floor);
  return { floor, removed: old.length };
}

async function deleteAudiences(tx: Tx, audiences: ReadonlySet<string>, floor: number): Promise<void> {
  for (const names of chunks([...audiences]))
    await tx.db
      .deleteFrom("audience")
      .where("app_id", "=", tx.appId)
      .where("audience", "in", names)
      .where("pos", "<=", floor)
      .execute();
}

async function deleteStays(tx: Tx, places: ReadonlySet<string>, floor: number): Promise<void> {
  for (const names of chunks([...places]))
    await tx.db
      .deleteFrom("member")
      .where("app_id", "=", tx.appId)
      .where("place", "in", names)
      // A stay sees what lies before left_pos, which is nothing when the next event to be had is there.
      .where("left_pos", "<=", floor + 1)
      .execute();
}

/** Where a conversation stands: the time of its oldest message above the floor, and of the oldest still stored below it. */
export interface ConversationAge {
  conversationId: string;
  floorSeq: number;
  headSeq: number;
  shownMs: number | null;
  hiddenMs: number | null;
}

/** The conversations of an app by rising id, after an id. */
export async function listConversationAges(
  db: Db,
  appId: string,
  after: string,
  limit: number,
): Promise<ConversationAge[]> {
  return await db
    .selectFrom("conversation as c")
    .select(["c.conversation_id as conversationId", "c.floor_seq as floorSeq", "c.head_seq as headSeq"])
    .select((e) => {
      const oldest = (side: ">" | "<=") =>
        e
          .selectFrom("message as m")
          .select("m.create_ms")
          .whereRef("m.app_id", "=", "c.app_id")
          .whereRef("m.conversation_id", "=", "c.conversation_id")
          .whereRef("m.seq", side, "c.floor_seq")
          .orderBy("m.seq")
          .limit(1);
      return [oldest(">").as("shownMs"), oldest("<=").as("hiddenMs")];
    })
    .where("c.app_id", "=", appId)
    .where("c.conversation_id", ">", after)
    .orderBy("c.conversation_id")
    .limit(limit)
    .execute();
}

/** The messages of a conversation after a seq up to the first that is not older than a time, at most `most`. */
export async function listMessagesBefore(
  db: Db,
  appId: string,
  conversationId: string,
  afterSeq: number,
  beforeMs: number,
  most: number,
) {
  const rows = await db
    .selectFrom("message")
    .select(["seq", "create_ms"])
    .where("app_id", "=", appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", ">", afterSeq)
    .orderBy("seq")
    .limit(most)
    .execute();
  return olderPrefix(rows, beforeMs);
}

/**
 * Raises the floor of a conversation over the messages older than `hideBeforeMs`, and deletes what lies below it and is older than `forgetBeforeMs`:
 * at most `most` of each. Its head stays.
 */
export async function trimConversation(
  tx: Tx,
  conversationId: string,
  { hideBeforeMs, forgetBeforeMs }: { hideBeforeMs: number; forgetBeforeMs: number },
  most: number,
): Promise<{ hidden: number; deleted: number }> {
  const conversation = await tx.db
    .selectFrom("conversation")
    .select("floor_seq")
    .where("app_id", "=", tx.appId)
    .where("conversation_id", "=", conversationId)
    .executeTakeFirst();
  if (conversation === undefined) return { hidden: 0, deleted: 0 };
  const older = (afterSeq: number, beforeMs: number) =>
    listMessagesBefore(tx.db, tx.appId, conversationId, afterSeq, beforeMs, most);
  const hidden = await older(conversation.floor_seq, hideBeforeMs);
  const floor = hidden.at(-1)?.seq ?? conversation.floor_seq;
  if (floor > conversation.floor_seq)
    await tx.db
      .updateTable("conversation")
      .set({ floor_seq: floor })
      .where("app_id", "=", tx.appId)
      .where("conversation_id", "=", conversationId)
      .execute();
  if (floor > conversation.floor_seq) await removeUses(tx, conversationId, floor, STEP_USES);
  const deleted = (await older(0, forgetBeforeMs)).filter(({ seq }) => seq <= floor);
  const last = deleted.at(-1)?.seq;
  if (last !== undefined)
    await tx.db
      .deleteFrom("message")
      .where("app_id", "=", tx.appId)
      .where("conversation_id", "=", conversationId)
      .where("seq", "<=", last)
      .execute();
  return { hidden: hidden.length, deleted: deleted.length };
}

/** Those of these pairs of users who are friends, as `a:b` in the order given. */
export async function findFriendPairs(
  db: Db,
  appId: string,
  pairs: readonly (readonly [string, string])[],
): Promise<Set<string>> {
  if (pairs.length === 0) return new Set();
  const rows = await db
    .selectFrom("friend")
    .select(["user_id", "friend_id"])
    .where("app_id", "=", appId)
    .where((e) => e.or(pairs.map(([a, b]) => e.and([e("user_id", "=", a), e("friend_id", "=", b)]))))
    .execute();
  return new Set(rows.map((row) => `${row.user_id}:${row.friend_id}`));
}

/** Whether an app keeps a session, a single-use token, an answer or a taken push whose time is over. */
export async function hasExpired(db: Db, appId: string, nowMs: number): Promise<boolean> {
  for (const table of ["session", "used_token", "answered", "sms_number", "push_sent", "tried"] as const) {
    const found = await db
      .selectFrom(table)
      .select("expire_ms")
      .where("app_id", "=", appId)
      .where("expire_ms", "<=", nowMs)
      .limit(1)
      .executeTakeFirst();
    if (found !== undefined) return true;
  }
  return false;
}

/** Forgets single-use tokens, answers, numbers of phones, taken pushes and tries whose time is over, at most `most` of each, and gives their number. */
export async function deleteExpired(tx: Tx, most: number): Promise<number> {
  const answers = await tx.db
    .selectFrom("answered")
    .select(["user_id", "request_id"])
    .where("app_id", "=", tx.appId)
    .where("expire_ms", "<=", tx.nowMs)
    .limit(most)
    .execute();
  for (const rows of chunks(answers))
    await tx.db
      .deleteFrom("answered")
      .where("app_id", "=", tx.appId)
      .where((e) =>
        e.or(rows.map((row) => e.and([e("user_id", "=", row.user_id), e("request_id", "=", row.request_id)]))),
      )
      .execute();
  let deleted = answers.length;
  for (const place of EXPIRING) deleted += await deleteExpiredOf(tx, place, most);
  return deleted;
}

/** The tables whose rows have one key and an end. */
const EXPIRING = [
  ["used_token", "token_id"],
  ["sms_number", "number_hash"],
  ["push_sent", "push_id"],
  ["tried", "what_hash"],
] as const;

async function deleteExpiredOf(tx: Tx, [table, key]: (typeof EXPIRING)[number], most: number): Promise<number> {
  // Kysely knows the columns of one table; the others of the list have the same.
  const [one, column] = [table as "used_token", key as "token_id"];
  const rows = await tx.db
    .selectFrom(one)
    .select(column)
    .where("app_id", "=", tx.appId)
    .where("expire_ms", "<=", tx.nowMs)
    .limit(most)
    .execute();
  for (const some of chunks(rows))
    await tx.db
      .deleteFrom(one)
      .where("app_id", "=", tx.appId)
      .where(
        column,
        "in",
        some.map((row) => row[column]),
      )
      .execute();
  return rows.length;
}

/** The rows before the first that is not older than a time. */
function olderPrefix<T extends { create_ms: number }>(rows: T[], beforeMs: number): T[] {
  const end = rows.findIndex((row) => row.create_ms >= beforeMs);
  return end < 0 ? rows : rows.slice(0, end);
}

/** Lists short enough for one statement. */
function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += 400) yield all.slice(at, at + 400);
}
