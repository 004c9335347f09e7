import { mkdirSync } from "node:fs";
import Database from "better-sqlite3";
import { storeFiles } from "./files.js";
import { kyselyOver } from "./kysely.js";
import { lockFolder } from "./lock.js";
import { migrateToLatest } from "./migrate.js";
import { keepRoom, type Room } from "./room.js";
import type { Db } from "./schema.js";

/** The open database. `write` is for the committer alone; `read` sees what is committed and cannot write. */
export interface Store {
  write: Db;
  read: Db;
  /** Whether the disk has room for what is written. */
  room: Room;
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
  ["journal_size_limit", String(64 * 1024 * 1024), 64 * 1024 * 1024],
];

/** Opens the database in a data folder, making both when absent, and brings it to the newest schema. Throws FolderLockedError. */
export async function openSqlite(options: SqliteOptions): Promise<Store> {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const files = storeFiles(options.dataDir);
  const unlock = lockFolder(files.lock);
  try {
    const writer = openConnection(files.database, options.busyTimeoutMs);
    const write = kyselyOver(writer);
    await migrateToLatest(write, "sqlite");
    const reader = openConnection(files.database, options.busyTimeoutMs);
    reader.pragma("query_only = ON");
    const read = kyselyOver(reader);
    return {
      write,
      read,
      room: keepRoom(options.dataDir, files.reserve, writer),
      async close() {
        await read.destroy();
        await write.destroy();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
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
