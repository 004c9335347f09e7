import { DatabaseStartError } from "./errors.js";
import type { Db } from "./schema.js";

export const KEY_MARK = "secret_key_mark";

/** Keeps what tells the secret key from others at the first start, and refuses another key later: what one node seals the others must open. */
export async function claimKey(db: Db, mark: string): Promise<void> {
  await db
    .insertInto("meta")
    .values({ name: KEY_MARK, value: mark })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .execute();
  const kept = await db.selectFrom("meta").select("value").where("name", "=", KEY_MARK).executeTakeFirstOrThrow();
  if (kept.value === mark) return;
  throw new DatabaseStartError(
    "unfit",
    "PARLEY_SECRET_KEY is not the key that the database was begun with: all nodes need the same one " +
      `(if it is lost, delete the row ${KEY_MARK} of the table meta, and set again what was sealed with it)`,
  );
}
