import type { Db } from "./schema.js";

/** Runs reads on one state of the database. The work awaits nothing but the database, and never writes. */
export async function snapshot<T>(db: Db, work: (db: Db) => Promise<T>): Promise<T> {
  return await db.transaction().execute(work);
}
