import { idOf, isGroupPlace } from "./audience.js";
import { bulkInsert } from "./bulk.js";
import type { Tx } from "./committer.js";
import { compiledListQuery } from "./compiled.js";
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

const byClientMessageIds = compiledListQuery((db, clientMessageIds, senders) =>
  db
    .selectFrom("message")
    .select(["sender", "client_message_id", "payload_hash", "pos", "payload"])
    .where("app_id", "=", "")
    .where("client_message_id", "in", clientMessageIds ?? [])
    .where("sender", "in", senders ?? []),
);

/** The stored messages of these senders that carry one of these client_message_ids. */
export async function findByClientMessageIds(
  db: Db,
  appId: string,
  senders: readonly string[],
  clientMessageIds: readonly string[],
) {
  return await readableMessages(db, appId, await byClientMessageIds(db, [appId], clientMessageIds, senders));
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

/** What part of a conversation to list: seqs above `afterSeq`, below `beforeSeq`, positions above `afterPos` and times before `beforeMs`. */
export interface MessageRange {
  afterSeq: number;
  beforeSeq: number | undefined;
  beforeMs: number | undefined;
  afterPos: number;
  /** Positions up to this one; absent: all. */
  upToPos?: number | undefined;
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
    .select(["seq", "sender", "pos", "payload"])
    .where("app_id", "=", appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", ">", range.afterSeq)
    .where("pos", ">", range.afterPos);
  if (range.beforeSeq !== undefined) query = query.where("seq", "<", range.beforeSeq);
  if (range.beforeMs !== undefined) query = query.where("create_ms", "<", range.beforeMs);
  if (range.upToPos !== undefined) query = query.where("pos", "<=", range.upToPos);
  const found = await query
    .orderBy("seq", end === "newest" ? "desc" : "asc")
    .limit(limit)
    .execute();
  const rows = await readableMessages(db, appId, found);
  return end === "newest" ? rows.reverse() : rows;
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
