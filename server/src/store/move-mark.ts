import { sql } from "kysely";
import { DatabaseFileError, DatabaseStartError, StoreError } from "./errors.js";
import { lockByName } from "./postgres-writing.js";
import type { Db } from "./schema.js";

/** The row of `meta` that stands in a database from the beginning of a copy into it until the copy is whole. */
export const COPY_MARK = "copy_unfinished";

const TURN_MS = 5_000;

/** Runs alone what begins the use of a database: the start of a node, and of a copy. */
export async function beginAlone(db: Db, begin: (tx: Db) => Promise<void>): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await lockByName(tx, "begin");
    await begin(tx);
  });
}

/** Whether a copy into a database is under way or was cut short. */
export async function isCopyUnfinished(db: Db): Promise<boolean> {
  const row = await db.selectFrom("meta").select("value").where("name", "=", COPY_MARK).executeTakeFirst();
  return row !== undefined;
}

/** Refuses the start of a node on what is not whole. Throws DatabaseStartError. */
export async function refuseUnfinishedCopy(db: Db, name: string): Promise<void> {
  if (!(await isCopyUnfinished(db))) return;
  throw new DatabaseStartError(
    "unfit",
    `a copy into the database ${name} is under way or was cut short: run parley copy again, or take an empty database`,
  );
}

/** Holds off other copies into the same database until the transaction ends. Throws DatabaseFileError when there is one. */
export async function takeTurn(tx: Db, name: string): Promise<void> {
  // What was cut short a moment ago may not be over for the server yet.
  await sql`select set_config('lock_timeout', ${String(TURN_MS)}, true)`.execute(tx);
  await lockByName(tx, "copy").catch((error: unknown) => {
    const taken = error instanceof StoreError && error.kind === "conflict";
    throw taken ? new DatabaseFileError("unusable", `another copy into the database ${name} is under way`) : error;
  });
  await sql`set local lock_timeout = 0`.execute(tx);
}

/** Marks an empty database as one that is being copied into; no node starts on it from then on. Throws DatabaseFileError when it is not empty. */
export async function markEmpty(db: Db, name: string, tables: readonly string[]): Promise<void> {
  await beginAlone(db, async (tx) => {
    for (const table of tables) {
      const rest = table === "meta" ? sql`where name <> ${COPY_MARK}` : sql``;
      const { rows } = await sql`select 1 from ${sql.table(table)} ${rest} limit 1`.execute(tx);
      if (rows.length > 0)
        throw new DatabaseFileError(
          "unusable",
          `the database ${name} is not empty (the table ${table} has rows): copy into a new one`,
        );
    }
    await tx
      .insertInto("meta")
      .values({ name: COPY_MARK, value: "" })
      .onConflict((conflict) => conflict.column("name").doNothing())
      .execute();
  });
}

/** Takes the mark away: the copy is whole, or nothing of it is there. */
export async function unmark(db: Db): Promise<void> {
  await db.deleteFrom("meta").where("name", "=", COPY_MARK).execute();
}
