import { type RawBuilder, sql } from "kysely";
import { idOf, isGroupPlace } from "./audience.js";
import { bulkInsert } from "./bulk.js";
import type { Tx } from "./committer.js";
import { compiledQuery } from "./compiled.js";
import { readErasures } from "./erasure.js";
import { readableMessages } from "./readable.js";
import type { Db, Row } from "./schema.js";

const insertRows = bulkInsert("message", [
  "app_id",
  "conversation_id",
  "seq",
  "pos",
  "message_id",
  "sender",
  "client_message_id",
  "payload_hash",
  "create_ms",
  "counting",
  "payload",
  "push",
]);

export async function insertMessages(tx: Tx, rows: readonly Row<"message">[]): Promise<void> {
  await insertRows(tx.db, rows);
}

const byClientMessageIds = compiledQuery((db, clientMessageIds, senders) =>
  db
    .selectFrom("message")
    .select(["sender", "client_message_id", "payload_hash", "pos", "payload"])
    .where("app_id", "=", "")
    .where("client_message_id", "in", clientMessageIds as string[])
    .where("sender", "in", senders as string[]),
);

/** The stored messages of these senders that carry one of these client_message_ids. */
export async function findByClientMessageIds(
  db: Db,
  appId: string,
  senders: readonly string[],
  clientMessageIds: readonly string[],
) {
  return await readableMessages(db, appId, await byClientMessageIds(db, [appId, clientMessageIds, senders]));
}

/** A message by its id, unless retention has hidden it. */
export async function findMessage(db: Db, appId: string, messageId: string) {
  const row = await db
    .selectFrom("message")
    .innerJoin("conversation", (join) =>
      join
        .onRef("conversation.app_id", "=", "message.app_id")
        .onRef("conversation.conversation_id", "=", "message.conversation_id"),
    )
    .select(["message.conversation_id", "message.sender", "message.pos", "message.payload"])
    .where("message.app_id", "=", appId)
    .where("message.message_id", "=", messageId)
    .whereRef("message.seq", ">", "conversation.floor_seq")
    .executeTakeFirst();
  return row && (await readableMessages(db, appId, [row]))[0];
}

/** The position of the newest message up to a seq; undefined when none is stored. */
export async function findPosAt(db: Db, appId: string, conversationId: string, seq: number) {
  const row = await db
    .selectFrom("message")
    .select("pos")
    .where("app_id", "=", appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", "<=", seq)
    .orderBy("seq", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.pos;
}

/** What part of a conversation to list: seqs above `afterSeq` and below `beforeSeq`, at positions above `afterPos` and up to `upToPos`. */
export interface MessageRange {
  afterSeq: number;
  afterPos: number;
  /** Absent: no bound. */
  beforeSeq?: number | undefined;
  upToPos?: number | undefined;
}

const pageFrom = (end: "newest" | "oldest") =>
  compiledQuery((db) =>
    db
      .selectFrom("message")
      .select(["seq", "sender", "pos", "payload"])
      .where("app_id", "=", "")
      .where("conversation_id", "=", "")
      .where("seq", ">", 0)
      .where("seq", "<", 0)
      .where("pos", ">", 0)
      .where("pos", "<=", 0)
      .orderBy("seq", end === "newest" ? "desc" : "asc")
      .limit(0),
  );
const pages = { newest: pageFrom("newest"), oldest: pageFrom("oldest") };

/** At most `limit` messages of a range: the newest of it or the oldest, always rising in seq. */
export async function listMessages(
  db: Db,
  appId: string,
  conversationId: string,
  { afterSeq, beforeSeq = Number.MAX_SAFE_INTEGER, afterPos, upToPos = Number.MAX_SAFE_INTEGER }: MessageRange,
  end: "newest" | "oldest",
  limit: number,
) {
  const found = await pages[end](db, [appId, conversationId, afterSeq, beforeSeq, afterPos, upToPos, limit]);
  const rows = await readableMessages(db, appId, found);
  return end === "newest" ? rows.reverse() : rows;
}

const oldestOf = compiledQuery((db) =>
  db
    .selectFrom("message")
    .select("seq")
    .where("app_id", "=", "")
    .where("conversation_id", "=", "")
    .where("seq", ">", 0)
    .where("pos", ">", 0)
    .orderBy("seq")
    .limit(1),
);

/** The lowest seq of a range that has no upper bounds; undefined when it is empty. */
export async function findOldestSeq(
  db: Db,
  appId: string,
  conversationId: string,
  { afterSeq, afterPos }: Pick<MessageRange, "afterSeq" | "afterPos">,
): Promise<number | undefined> {
  return (await oldestOf(db, [appId, conversationId, afterSeq, afterPos, 1]))[0]?.seq;
}

const timeAt = (seq: RawBuilder<unknown>) =>
  sql`(select create_ms from message where app_id = ${""} and conversation_id = ${""} and seq >= ${seq} order by seq limit 1)`;

// Halves what lies between until nothing does: a step reads one row, and for a million messages it takes twenty. `ms` is the time in the middle.
const firstSince = compiledQuery(
  () => sql<{ seq: number }>`
    with recursive step (before, since, ms) as (
      select cast(${0} as bigint), cast(${0} as bigint), ${timeAt(sql`${0}`)}
      union all
      select
        case when ms < ${0} then (before + since) / 2 else before end,
        case when ms < ${0} then since else (before + since) / 2 end,
        ${timeAt(sql`(case when ms < ${0} then (before + since) / 2 + since else before + (before + since) / 2 end) / 2`)}
      from step where since - before > 1
    )
    select min(since) as seq from step`,
);

/** The seq of the first message that is not before a time, or the one after the newest: along a conversation's seqs times never fall. */
export async function findSeqSince(
  db: Db,
  appId: string,
  conversationId: string,
  { floorSeq, headSeq, ms }: { floorSeq: number; headSeq: number; ms: number },
): Promise<number> {
  const end = headSeq + 1;
  const where = [appId, conversationId];
  const middle = Math.floor((floorSeq + end) / 2);
  const [found] = await firstSince(db, [floorSeq, end, ...where, middle, ms, ms, ...where, ms]);
  return found?.seq ?? end;
}

/** A deleted user whose messages up to a position no longer count, though they are not blanked yet. */
interface GoneSender {
  userId: string;
  uptoPos: number;
}

/** The users that were deleted a moment ago. */
export async function listGoneSenders(db: Db, appId: string): Promise<GoneSender[]> {
  const erasures = await readErasures(db, appId);
  const users = [...erasures.values()].filter(({ subject }) => !isGroupPlace(subject));
  return users.map(({ subject, upto_pos }) => ({ userId: idOf(subject), uptoPos: upto_pos }));
}

/** The number of messages in a range of seqs that count as unread for a reader: counting, not its own, and such as it may see. */
export async function countUnread(
  db: Db,
  appId: string,
  conversationId: string,
  readerId: string,
  {
    afterSeq,
    toSeq,
    afterPos,
    gone = [],
  }: { afterSeq: number; toSeq: number; afterPos: number; gone?: readonly GoneSender[] },
): Promise<number> {
  let query = db
    .selectFrom("message")
    .select((e) => e.fn.countAll<number>().as("count"))
    .where("app_id", "=", appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", ">", afterSeq)
    .where("seq", "<=", toSeq)
    .where("pos", ">", afterPos)
    .where("counting", "=", 1)
    .where("sender", "!=", readerId);
  for (const { userId, uptoPos } of gone)
    query = query.where((e) => e.or([e("sender", "!=", userId), e("pos", ">", uptoPos)]));
  const row = await query.executeTakeFirstOrThrow();
  return Number(row.count);
}
