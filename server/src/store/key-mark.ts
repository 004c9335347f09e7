import { DatabaseServerError } from "./errors.js";
import type { Db } from "./schema.js";

const NAME = "secret_key_mark";

/** Keeps what tells the secret key from others at the first start, and refuses another key later: what one node seals the others must open. */
export async function claimKey(db: Db, mark: string): Promise<void> {
  await db
    .insertInto("meta")
    .values({ name: NAME, value: mark })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .execute();
  const kept = await db.selectFrom("meta").select("value").where("name", "=", NAME).executeTakeFirstOrThrow();
  if (kept.value === mark) return;
  throw new DatabaseServerError(
    "unfit",
    "PARLEY_SECRET_KEY is not the key that the database was begun with: all nodes need the same one " +
      `(if it is lost, delete the row ${NAME} of the table meta, and set again what was sealed with it)`,
  );
}
