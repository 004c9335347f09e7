import { EVERYONE, userAudience } from "./audience.js";
import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";

/** A stored message that uses an attachment. */
export interface AttachmentUse {
  attachmentId: string;
  audiences: readonly string[];
  /** Empty, with the position as seq, for what goes to everyone. */
  conversationId: string;
  seq: number;
  pos: number;
}

/** Writes down which messages use which attachments, which then stay as long as the messages do. */
export async function insertUses(tx: Tx, uses: readonly AttachmentUse[]): Promise<void> {
  const rows = uses.flatMap(({ attachmentId, audiences, conversationId, seq, pos }) =>
    // A message to oneself names one audience twice.
    [...new Set(audiences)].map((audience) => ({
      app_id: tx.appId,
      attachment_id: attachmentId,
      audience,
      conversation_id: conversationId,
      seq,
      pos,
    })),
  );
  for (const some of chunks(rows)) await tx.db.insertInto("attachment_use").values(some).execute();
  await markUsed(tx, [...new Set(uses.map(({ attachmentId }) => attachmentId))]);
}

async function markUsed(tx: Tx, attachmentIds: readonly string[]): Promise<void> {
  for (const ids of chunks(attachmentIds))
    await tx.db
      .updateTable("attachment")
      .set({ used: 1 })
      .where("app_id", "=", tx.appId)
      .where("attachment_id", "in", ids)
      .where("used", "=", 0)
      .execute();
}

/** The newest use of an attachment in each conversation that may be a user's to read, above what retention has hidden: the newest ones, at most `most`. */
export async function listUsesFor(db: Db, appId: string, attachmentId: string, userId: string, most: number) {
  const found = [
    ...(await listUsesTo(db, appId, attachmentId, userAudience(userId), most)),
    ...(await listUsesTo(db, appId, attachmentId, EVERYONE, 1)),
    ...(await listUsesInPlaces(db, appId, attachmentId, userId, most)),
  ];
  return found.sort((a, b) => b.pos - a.pos).slice(0, most);
}

// One audience at a time: for several, SQLite would read the uses of the whole app.
async function listUsesTo(db: Db, appId: string, attachmentId: string, audience: string, most: number) {
  return await db
    .selectFrom("attachment_use as u")
    .leftJoin("conversation as c", (join) =>
      join.onRef("c.app_id", "=", "u.app_id").onRef("c.conversation_id", "=", "u.conversation_id"),
    )
    .select(["u.conversation_id as conversationId"])
    .select((e) => [e.fn.max<number>("u.pos").as("pos"), e.fn.max<number>("u.seq").as("seq")])
    .where("u.app_id", "=", appId)
    .where("u.attachment_id", "=", attachmentId)
    .where("u.audience", "=", audience)
    .where((e) => e("u.seq", ">", e.fn.coalesce("c.floor_seq", e.lit(0))))
    .groupBy("u.conversation_id")
    .orderBy("pos", "desc")
    .limit(most)
    .execute();
}

/** The same for the groups that a user is in, looked up one by one. */
async function listUsesInPlaces(db: Db, appId: string, attachmentId: string, userId: string, most: number) {
  const rows = await db
    .selectFrom("member as m")
    .innerJoin("conversation as c", (join) =>
      join.onRef("c.app_id", "=", "m.app_id").onRef("c.conversation_id", "=", "m.place"),
    )
    .select("m.place as conversationId")
    .select((e) => {
      const newest = (column: "pos" | "seq") =>
        e
          .selectFrom("attachment_use as u")
          .select(`u.${column}`)
          .where("u.app_id", "=", appId)
          .where("u.attachment_id", "=", attachmentId)
          .whereRef("u.audience", "=", "m.place")
          .whereRef("u.conversation_id", "=", "m.place")
          .whereRef("u.seq", ">", "c.floor_seq")
          .orderBy("u.seq", "desc")
          .limit(1);
      return [newest("pos").as("pos"), newest("seq").as("seq")];
    })
    .where("m.app_id", "=", appId)
    .where("m.user_id", "=", userId)
    .where("m.left_pos", "is", null)
    .orderBy("pos", (order) => order.desc().nullsLast())
    .limit(most)
    .execute();
  return rows.flatMap(({ conversationId, pos, seq }) =>
    pos === null || seq === null ? [] : [{ conversationId, pos, seq }],
  );
}

/**
 * Forgets the uses by the messages of a conversation up to a seq, at most `most` of them, and gives their number. For whoever takes away what these
 * messages say; what no other message uses is then removed when it is a day old.
 */
export async function removeUses(tx: Tx, conversationId: string, upToSeq: number, most: number): Promise<number> {
  const uses = await tx.db
    .selectFrom("attachment_use")
    .select(["attachment_id", "seq"])
    .where("app_id", "=", tx.appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", "<=", upToSeq)
    .orderBy("seq")
    .limit(most)
    .execute();
  await deleteUses(tx, conversationId, uses);
  return uses.length;
}

/** Forgets the uses by some messages of a conversation, for whoever blanks what they say. */
export async function removeUsesOf(tx: Tx, conversationId: string, seqs: readonly number[]): Promise<void> {
  for (const some of chunks(seqs)) {
    const uses = await tx.db
      .selectFrom("attachment_use")
      .select(["attachment_id", "seq"])
      .where("app_id", "=", tx.appId)
      .where("conversation_id", "=", conversationId)
      .where("seq", "in", some)
      .execute();
    await deleteUses(tx, conversationId, uses);
  }
}

async function deleteUses(
  tx: Tx,
  conversationId: string,
  uses: readonly Pick<Row<"attachment_use">, "attachment_id" | "seq">[],
): Promise<void> {
  for (const seqs of chunks([...new Set(uses.map(({ seq }) => seq))]))
    await tx.db
      .deleteFrom("attachment_use")
      .where("app_id", "=", tx.appId)
      .where("conversation_id", "=", conversationId)
      .where("seq", "in", seqs)
      .execute();
  for (const ids of chunks([...new Set(uses.map((use) => use.attachment_id))]))
    await tx.db
      .updateTable("attachment")
      .set({ used: 0 })
      .where("app_id", "=", tx.appId)
      .where("attachment_id", "in", ids)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom("attachment_use as u")
              .select("u.seq")
              .whereRef("u.app_id", "=", "attachment.app_id")
              .whereRef("u.attachment_id", "=", "attachment.attachment_id"),
          ),
        ),
      )
      .execute();
}

/** Lists short enough for one statement. */
function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += 400) yield all.slice(at, at + 400);
}
