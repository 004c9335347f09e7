import { bulkInsert } from "./bulk.js";
import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";

const insertWords = bulkInsert("filter_word", ["app_id", "word"]);

export async function findWordFilter(db: Db, appId: string): Promise<Row<"word_filter"> | undefined> {
  return await db.selectFrom("word_filter").selectAll().where("app_id", "=", appId).executeTakeFirst();
}

export async function storeWordFilter(tx: Tx, filter: Omit<Row<"word_filter">, "app_id" | "update_ms">) {
  const row: Row<"word_filter"> = { ...filter, app_id: tx.appId, update_ms: tx.nowMs };
  await tx.db
    .insertInto("word_filter")
    .values(row)
    .onConflict((conflict) => conflict.column("app_id").doUpdateSet(row))
    .execute();
  return row;
}

/** The words after one, by rising code units: all of them, or at most `limit`. */
export async function listFilterWords(db: Db, appId: string, after: string, limit?: number): Promise<string[]> {
  let query = db
    .selectFrom("filter_word")
    .select("word")
    .where("app_id", "=", appId)
    .where("word", ">", after)
    .orderBy("word");
  if (limit !== undefined) query = query.limit(limit);
  return (await query.execute()).map(({ word }) => word);
}

/** Adds words that are not there. */
export async function addFilterWords(tx: Tx, words: readonly string[]): Promise<void> {
  await insertWords(
    tx.db,
    words.map((word) => ({ app_id: tx.appId, word })),
  );
}

export async function deleteFilterWords(tx: Tx, words: readonly string[]): Promise<void> {
  for (let at = 0; at < words.length; at += 400)
    await tx.db
      .deleteFrom("filter_word")
      .where("app_id", "=", tx.appId)
      .where("word", "in", words.slice(at, at + 400))
      .execute();
}
