import { bulkInsert } from "./bulk.js";
import type { Tx } from "./committer.js";
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

/** The stored messages of these senders that carry one of these client_message_ids. */
export async function findByClientMessageIds(
  db: Db,
  appId: string,
  senders: readonly string[],
  clientMessageIds: readonly string[],
) {
  return await db
    .selectFrom("message")
    .select(["sender", "client_message_id", "payload_hash", "payload"])
    .where("app_id", "=", appId)
    .where("client_message_id", "in", clientMessageIds)
    .where("sender", "in", senders)
    .execute();
}

/** A message by its id, unless retention has hidden it. */
export async function findMessage(db: Db, appId: string, messageId: string) {
  return await db
    .selectFrom("message")
    .innerJoin("conversation", (join) =>
      join
        .onRef("conversation.app_id", "=", "message.app_id")
        .onRef("conversation.conversation_id", "=", "message.conversation_id"),
    )
    .select(["message.conversation_id", "message.pos", "message.payload"])
    .where("message.app_id", "=", appId)
    .where("message.message_id", "=", messageId)
    .whereRef("message.seq", ">", "conversation.floor_seq")
    .executeTakeFirst();
}

/** What part of a conversation to list: seqs above `afterSeq`, below `beforeSeq`, positions above `afterPos` and times before `beforeMs`. */
export interface MessageRange {
  afterSeq: number;
  beforeSeq: number | undefined;
  beforeMs: number | undefined;
  afterPos: number;
}

/** At most `limit` messages of a range: the newest of it or the oldest, always rising in seq. */
export async function listMessages(
  db: Db,
  appId: string,
  conversationId: string,
  range: MessageRange,
  end: "newest" | "oldest",
  limit: number,
) {
  let query = db
    .selectFrom("message")
    .select(["seq", "payload"])
    .where("app_id", "=", appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", ">", range.afterSeq)
    .where("pos", ">", range.afterPos);
  if (range.beforeSeq !== undefined) query = query.where("seq", "<", range.beforeSeq);
  if (range.beforeMs !== undefined) query = query.where("create_ms", "<", range.beforeMs);
  const rows = await query
    .orderBy("seq", end === "newest" ? "desc" : "asc")
    .limit(limit)
    .execute();
  return end === "newest" ? rows.reverse() : rows;
}

/** The number of messages in a range of seqs that count as unread for a reader: counting, not its own, and such as it may see. */
export async function countUnread(
  db: Db,
  appId: string,
  conversationId: string,
  readerId: string,
  { afterSeq, toSeq, afterPos }: { afterSeq: number; toSeq: number; afterPos: number },
): Promise<number> {
  const row = await db
    .selectFrom("message")
    .select((e) => e.fn.countAll<number>().as("count"))
    .where("app_id", "=", appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", ">", afterSeq)
    .where("seq", "<=", toSeq)
    .where("pos", ">", afterPos)
    .where("counting", "=", 1)
    .where("sender", "!=", readerId)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}
