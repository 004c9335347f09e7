import { existsSync } from "node:fs";
import { sql } from "kysely";
import { type CheckOptions, checkSeals } from "./check-folder.js";
import { type CopyOptions, fileErrorOf } from "./copy.js";
import { DatabaseFileError, DatabaseStartError, StoreError } from "./errors.js";
import { storeFiles } from "./files.js";
import { claimKey, KEY_MARK } from "./key-mark.js";
import { lockFolder } from "./lock.js";
import { LOG_FILE_BASE } from "./log-file.js";
import { migrateToLatest, schemaAge } from "./migrate.js";
import { COPY_MARK, markEmpty, takeTurn, unmark } from "./move-mark.js";
import { checkValues, insertPage, readTable, type Shape, shapeOf } from "./move-rows.js";
import { MOVED } from "./move-tables.js";
import { nameOf, reach } from "./postgres.js";
import { checkServer } from "./postgres-checks.js";
import { kyselyOverPool } from "./postgres-pool.js";
import { openReader } from "./reader.js";
import type { Db } from "./schema.js";
import { snapshot } from "./snapshot.js";
import { checkFiles } from "./sqlite.js";

export interface MoveOptions extends CopyOptions {
  /** The PostgreSQL database that is copied into. */
  url: string;
  /** Copies into a server that may lose what it has acknowledged, too. */
  unsafe: boolean;
  /** What tells the secret key from others; absent when there is none. */
  keyMark: string | undefined;
  unseal: CheckOptions["unseal"];
}

/** A table that was copied. */
export interface MovedTable {
  table: string;
  rows: number;
}

/** What the rows of `meta` say of the database that they are in, and of no other. */
const NOT_MOVED = [LOG_FILE_BASE, KEY_MARK, COPY_MARK];

/**
 * Copies all that is stored in a data folder into an empty PostgreSQL database, and compares each row there with what was read. The folder is
 * locked meanwhile, and not changed. Whatever ends it early, nothing of it is left but a mark, with which no node starts and another copy begins
 * anew. Throws FolderLockedError, DatabaseFileError and DatabaseStartError.
 */
export async function moveToPostgres(dataDir: string, options: MoveOptions): Promise<MovedTable[]> {
  const { database, lock } = storeFiles(dataDir);
  if (!existsSync(database)) throw new DatabaseFileError("unusable", `there is no database in ${dataDir}`);
  const unlock = lockFolder(lock);
  try {
    await checkFiles(database);
    const source = openReader(database);
    try {
      return await snapshot(source.db, async (from) => {
        await checkSource(from, database, options.unseal);
        return await copyInto(from, options);
      });
    } finally {
      await source.close();
    }
  } catch (error) {
    throw fileErrorOf(error, database);
  } finally {
    unlock();
  }
}

async function checkSource(db: Db, database: string, unseal: MoveOptions["unseal"]): Promise<void> {
  const age = await schemaAge(db);
  if (age === "none") throw new DatabaseFileError("unusable", `${database} is not a database of Parley's`);
  if (age === "newer") throw new DatabaseFileError("unusable", `${database} was written by a newer version of Parley`);
  if (age === "older")
    throw new DatabaseFileError(
      "unusable",
      `${database} was written by an older version of Parley: start this version on it once, and stop it again`,
    );
  await checkSeals(db, age, unseal, (_, state, text) => {
    if (state === "problem") throw new DatabaseStartError("unfit", `the secret key: ${text}`);
  });
}

async function copyInto(from: Db, options: MoveOptions): Promise<MovedTable[]> {
  const { url, unsafe } = options;
  const name = nameOf(url);
  const db = kyselyOverPool({
    url,
    // One that copies, and one whose mark stays when the other's work is undone.
    connections: 2,
    statementMs: 0,
    lockMs: 0,
    idleMs: 0,
    async prepare(query) {
      // A machine that vanished with the copy under way must not keep the next one from beginning for hours.
      await query("set tcp_keepalives_idle = 30");
    },
  });
  try {
    await reach(db, name, 0);
    await checkServer(db, name, unsafe);
    await makeTables(db, name);
    return await copyAll(from, db, name, options);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.kind === "full") throw new DatabaseFileError("unusable", `the disk of the database ${name} is full`);
    const { cause } = error;
    const why = cause instanceof Error ? cause.message : error.message;
    throw new DatabaseStartError("unreachable", `the database ${name} was lost: ${why}`, { cause });
  } finally {
    await db.destroy();
  }
}

async function makeTables(db: Db, name: string): Promise<void> {
  const age = await schemaAge(db);
  if (age === "none") await migrateToLatest(db);
  else if (age !== "current")
    throw new DatabaseFileError(
      "unusable",
      `the database ${name} is of another version of Parley: copy into a new one`,
    );
}

/** Copies and compares in one transaction: what is seen of it is nothing or all. */
async function copyAll(from: Db, db: Db, name: string, options: MoveOptions): Promise<MovedTable[]> {
  let marked = false;
  try {
    return await db.transaction().execute(async (to) => {
      await takeTurn(to, name);
      await markEmpty(db, name, Object.keys(MOVED));
      marked = true;
      const moved = await copyTables(from, to, options);
      if (options.keyMark !== undefined) await claimKey(to, options.keyMark);
      await unmark(to);
      return moved;
    });
  } catch (error) {
    if (marked) await unmark(db).catch(() => undefined);
    throw error;
  }
}

async function copyTables(from: Db, to: Db, { onProgress, signal }: CopyOptions): Promise<MovedTable[]> {
  const names = Object.entries(MOVED).flatMap(([table, fate]) => (fate === "copied" ? [table] : []));
  const shapes: Shape[] = [];
  for (const table of names) shapes.push(await shapeOf(to, table, table === "meta" ? NOT_MOVED : []));
  // Each row is read on both sides.
  const all = 2 * (await countRows(from, names));
  let done = 0;
  const step = (rows: number) => {
    signal?.throwIfAborted();
    done += rows;
    onProgress(Math.min(1, done / Math.max(1, all)));
  };
  const digests = new Map<string, string>();
  const moved: MovedTable[] = [];
  for (const shape of shapes) {
    const { rows, digest } = await readTable(from, shape, async (page) => {
      checkValues(shape, page);
      await insertPage(to, shape, page);
      step(page.length);
    });
    digests.set(shape.table, digest);
    moved.push({ table: shape.table, rows });
  }
  // The server must know its tables before the first call meets them.
  await sql`analyze`.execute(to);
  for (const shape of shapes) {
    const { digest } = await readTable(to, shape, async (page) => step(page.length));
    if (digest !== digests.get(shape.table))
      throw new DatabaseFileError("damaged", `the table ${shape.table} differs after the copy: nothing of it was kept`);
  }
  return moved;
}

async function countRows(db: Db, tables: readonly string[]): Promise<number> {
  let count = 0;
  for (const table of tables) {
    const { rows } = await sql<{ count: number }>`select count(*) as count from ${sql.table(table)}`.execute(db);
    count += rows[0]?.count ?? 0;
  }
  return count;
}
