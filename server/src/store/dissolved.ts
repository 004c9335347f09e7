import { removeUses } from "./attachment-uses.js";
import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";

/** Puts a place on the list of those whose words are still to be removed. Nobody can read them any more. */
export async function addDissolved(tx: Tx, place: string, deletedPos: number): Promise<void> {
  const row = { app_id: tx.appId, place, deleted_pos: deletedPos, wiped_pos: 0 };
  await tx.db.insertInto("dissolved").values(row).execute();
}

export async function listDissolved(db: Db, limit: number): Promise<Row<"dissolved">[]> {
  return await db.selectFrom("dissolved").selectAll().limit(limit).execute();
}

/** Deletes messages of a dissolved place and blanks its events of some kinds, at most `most` of each. Once that was all, the place is off the list. */
export async function wipeSome(
  tx: Tx,
  { place, deleted_pos, wiped_pos }: Row<"dissolved">,
  kinds: readonly number[],
  most: number,
): Promise<void> {
  const messages = await tx.db
    .selectFrom("message")
    .select("message_id")
    .where("app_id", "=", tx.appId)
    .where("conversation_id", "=", place)
    .limit(most)
    .execute();
  const events = await tx.db
    .selectFrom("audience")
    .select("pos")
    .where("app_id", "=", tx.appId)
    .where("audience", "=", place)
    .where("pos", ">", wiped_pos)
    .where("pos", "<", deleted_pos)
    .orderBy("pos")
    .limit(most)
    .execute();
  const ids = messages.map((row) => row.message_id);
  const positions = events.map((row) => row.pos);
  if (ids.length > 0)
    await tx.db.deleteFrom("message").where("app_id", "=", tx.appId).where("message_id", "in", ids).execute();
  if (positions.length > 0 && kinds.length > 0)
    await tx.db
      .updateTable("event")
      .set({ payload: Buffer.alloc(0) })
      .where("app_id", "=", tx.appId)
      .where("pos", "in", positions)
      .where("kind", "in", kinds)
      .execute();
  const uses = await removeUses(tx, place, Number.MAX_SAFE_INTEGER, most);
  const done = ids.length < most && positions.length < most && uses < most;
  const last = positions.at(-1);
  if (done) await tx.db.deleteFrom("dissolved").where("app_id", "=", tx.appId).where("place", "=", place).execute();
  else if (last !== undefined)
    await tx.db
      .updateTable("dissolved")
      .set({ wiped_pos: last })
      .where("app_id", "=", tx.appId)
      .where("place", "=", place)
      .execute();
}
