import { join } from "node:path";
import Database from "better-sqlite3";
import { Kysely, SqliteAdapter, SqliteDialect } from "kysely";
import { makeFolder, sync } from "./folder.js";
import { lockFolder } from "./lock.js";
import { migrateToLatest } from "./migrate.js";
import type { Db, Schema } from "./schema.js";

/**
 * The open database. `write` is for the committer alone; `read` sees what is committed and cannot write. `longRead` is another such reader,
 * whose transaction may stay open while others run: whoever uses it waits for those before.
 */
export interface Store {
  write: Db;
  read: Db;
  longRead: Db;
  close(): Promise<void>;
}

export interface SqliteOptions {
  dataDir: string;
  /** How long a statement may wait for a foreign lock. It blocks the whole process, so it is short. */
  busyTimeoutMs: number;
}

// better-sqlite3 falls back to synchronous=NORMAL when it re-opens a WAL file, so every open sets these and reads them back.
const PRAGMAS: readonly [name: string, value: string, readBack: string | number][] = [
  ["journal_mode", "WAL", "wal"],
  ["synchronous", "FULL", 2],
  ["foreign_keys", "ON", 1],
  ["trusted_schema", "OFF", 0],
  ["cell_size_check", "ON", 1],
  // 64 MiB, in KiB below zero: the indexes that every send touches stay in memory.
  ["cache_size", "-65536", -65536],
  // The pages that a savepoint would restore are kept in memory, not written to a file of their own.
  ["temp_store", "MEMORY", 2],
  ["wal_autocheckpoint", "4000", 4000],
  ["journal_size_limit", String(64 * 1024 * 1024), 64 * 1024 * 1024],
];

/** Opens the database in a data folder, making both when absent, and brings it to the newest schema. Throws FolderLockedError. */
export async function openSqlite(options: SqliteOptions): Promise<Store> {
  makeFolder(options.dataDir);
  const unlock = lockFolder(join(options.dataDir, "parley.lock"));
  try {
    const file = join(options.dataDir, "parley.db");
    const writer = openConnection(file, options.busyTimeoutMs);
    settle(writer, file);
    const write = kysely(writer);
    await migrateToLatest(write, "sqlite");
    const [read, longRead] = [openReader(file, options), openReader(file, options)];
    return {
      write,
      read,
      longRead,
      async close() {
        await read.destroy();
        await longRead.destroy();
        await write.destroy();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

function openReader(file: string, options: SqliteOptions): Db {
  const reader = openConnection(file, options.busyTimeoutMs);
  reader.pragma("query_only = ON");
  return kysely(reader);
}

function openConnection(file: string, busyTimeoutMs: number): Database.Database {
  const database = new Database(file, { timeout: busyTimeoutMs });
  for (const [name, value, readBack] of PRAGMAS) {
    database.pragma(`${name} = ${value}`);
    const actual: unknown = database.pragma(name, { simple: true });
    if (actual !== readBack) throw new Error(`SQLite refuses ${name} = ${value}: it says ${String(actual)}`);
  }
  return database;
}

/**
 * Puts on the disk what an earlier process wrote and was killed before it synced, or failed to sync: this one sees it in the system's memory
 * and would tell of it, and no later sync of the WAL need write it again.
 */
function settle(database: Database.Database, file: string): void {
  const [result] = database.pragma("wal_checkpoint(TRUNCATE)") as [{ busy: number }];
  // A foreign reader holds the checkpoint up, but not the sync.
  if (result.busy !== 0) sync(`${file}-wal`);
}

const CACHED_STATEMENTS = 1000;

/** Kysely holds that SQLite cannot change a schema in a transaction. It can, and must: of a migration that a crash cuts short nothing may be left. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class TransactionalDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalAdapter();
  }
}

function kysely(database: Database.Database): Db {
  // Kysely prepares each statement anew; keeping them saves SQLite's parser on every call.
  const statements = new Map<string, Database.Statement>();
  const prepare = (text: string) => {
    let statement = statements.get(text);
    if (statement === undefined) {
      statement = database.prepare(text);
      if (statements.size >= CACHED_STATEMENTS) statements.clear();
      statements.set(text, statement);
    }
    return statement;
  };
  return new Kysely<Schema>({
    dialect: new TransactionalDialect({ database: { close: () => database.close(), prepare } }),
  });
}
