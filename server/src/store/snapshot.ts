import type { Db } from "./schema.js";

/** Runs reads on one state of the database. The work awaits nothing but the database, and never writes. */
export async function snapshot<T>(db: Db, work: (db: Db) => Promise<T>): Promise<T> {
  // SQLite has no other kind.
  return await db.transaction().setIsolationLevel("repeatable read").setAccessMode("read only").execute(work);
}
