import { removeUsesOf } from "./attachment-uses.js";
import { userAudience } from "./audience.js";
import { blankMessage, NOTHING } from "./blank.js";
import type { Tx } from "./committer.js";
import { compiledQuery } from "./compiled.js";
import type { Db, Row } from "./schema.js";

export type Erasure = Row<"erasure">;

/** Puts all that a user has said, or that was said in a group, up to a position out of everybody's reach. It is blanked later, step by step. */
export async function beginErasure(tx: Tx, subject: string, uptoPos: number): Promise<void> {
  const again = { upto_pos: uptoPos, begin_ms: tx.nowMs, conversation_id: "", seq: 0 };
  await tx.db
    .insertInto("erasure")
    .values({ ...again, app_id: tx.appId, subject, log_pos: 0, events: 0, messages: 0 })
    // What was blanked of the log stays so; messages are looked through again.
    .onConflict((conflict) => conflict.columns(["app_id", "subject"]).doUpdateSet(again))
    .execute();
}

/** An erasure that is not done, of whatever app. */
export async function findAnyErasure(db: Db): Promise<Erasure | undefined> {
  return await db.selectFrom("erasure").selectAll().limit(1).executeTakeFirst();
}

export async function findErasure(db: Db, appId: string, subject: string): Promise<Erasure | undefined> {
  return await db
    .selectFrom("erasure")
    .selectAll()
    .where("app_id", "=", appId)
    .where("subject", "=", subject)
    .executeTakeFirst();
}

const erasuresOf = compiledQuery((db) => db.selectFrom("erasure").selectAll().where("app_id", "=", ""));

/** The erasures of an app that are not done, by subject: none, nearly always. */
export async function readErasures(db: Db, appId: string): Promise<ReadonlyMap<string, Erasure>> {
  const rows = await erasuresOf(db, [appId]);
  return new Map(rows.map((row) => [row.subject, row]));
}

/**
 * Blanks messages of a conversation, and gives their number. Their keys are kept, so that none is ever used twice. The mark of what was said
 * under a key is kept for senders who may yet repeat a send, for short words could be guessed from it.
 */
export async function blankMessages(
  tx: Tx,
  conversationId: string,
  seqs: readonly number[],
  { atMs, keepsMark }: { atMs: number; keepsMark: boolean },
): Promise<number> {
  if (seqs.length === 0) return 0;
  await removeUsesOf(tx, conversationId, seqs);
  const rows = await tx.db
    .selectFrom("message")
    .select(["seq", "payload"])
    .where("app_id", "=", tx.appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", "in", seqs)
    .execute();
  for (const { seq, payload } of rows)
    await tx.db
      .updateTable("message")
      .set({
        payload: blankMessage(payload, atMs),
        push: null,
        counting: 0,
        ...(keepsMark ? {} : { payload_hash: NOTHING }),
      })
      .where("app_id", "=", tx.appId)
      .where("conversation_id", "=", conversationId)
      .where("seq", "=", seq)
      .execute();
  return seqs.length;
}

/** Whether the words of a message are out of reach already, though they are not blanked yet. */
export async function isErased(
  db: Db,
  appId: string,
  { conversationId, seq, pos }: { conversationId: string; seq: number; pos: number },
): Promise<boolean> {
  const erasures = await readErasures(db, appId);
  if (erasures.size === 0) return false;
  const message = await db
    .selectFrom("message")
    .select("sender")
    .where("app_id", "=", appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", "=", seq)
    .executeTakeFirst();
  const erasure = erasures.get(userAudience(message?.sender ?? ""));
  return erasure !== undefined && pos <= erasure.upto_pos;
}
