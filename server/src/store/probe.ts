import type { Db } from "./schema.js";

/** Reads a little from the disk; throws when the store cannot be read. */
export async function probe(db: Db): Promise<void> {
  await db.selectFrom("app").select("app_id").limit(1).execute();
}
