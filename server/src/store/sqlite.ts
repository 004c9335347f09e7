import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import { checkLog, isGrave } from "./check-log.js";
import { structureFaults } from "./copy.js";
import { DatabaseFileError, storeErrorOf, unlessFatal } from "./errors.js";
import { makeFolder, rewrite, sideFiles, storeFiles } from "./files.js";
import { kyselyOver } from "./kysely.js";
import { lockFolder } from "./lock.js";
import { judgeFiles, keepLogFile, lookAtFiles } from "./log-file.js";
import { migrateToLatest, schemaAge } from "./migrate.js";
import { openReader } from "./reader.js";
import { keepRoom, roomSizes } from "./room.js";
import type { Db } from "./schema.js";
import { sqliteWriting } from "./sqlite-writing.js";
import type { Store } from "./store.js";

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
  makeFolder(options.dataDir);
  const files = storeFiles(options.dataDir);
  const unlock = lockFolder(files.lock);
  try {
    const { hasLog, sure } = await checkFiles(files.database);
    const writer = openConnection(files.database, options.busyTimeoutMs);
    settle(writer, files.database, options.busyTimeoutMs);
    const write = kyselyOver(writer);
    await migrateToLatest(write);
    const logFile = keepLogFile(writer, roomSizes(options.dataDir).logPages);
    unlessFatal(logFile.fold);
    const [read, longRead] = [openQuery(files.database, options), openQuery(files.database, options)];
    return {
      dialect: "sqlite",
      write,
      read,
      longRead,
      aside: write,
      writing: sqliteWriting,
      room: keepRoom(options.dataDir, files.reserve, writer, logFile),
      logLost: !sure && !hasLog,
      async close() {
        await read.destroy();
        await longRead.destroy();
        logFile.end();
        await write.destroy();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

/**
 * Makes sure that a database and its log are whole and belong together before anything is served from them. Throws DatabaseFileError. Only looks:
 * the last connection that may write would move a log into the database, also one that does not fit.
 */
export async function checkFiles(database: string): Promise<{ hasLog: boolean; sure: boolean }> {
  const found = lookAtFiles(database);
  // A crash in the very first start, before there was a log: the connection that writes takes back what was half done, one that reads cannot.
  if (found.mark === undefined || existsSync(`${database}-journal`)) return { hasLog: found.hasLog, sure: true };
  const reader = openReader(database);
  try {
    const verdict = judgeFiles(reader.connection, found);
    if (verdict === "foreign") throw damaged(`${sideFiles(database)[0]} does not belong to ${database}`);
    if (verdict === "unsure") await lookThrough(reader.db);
    return { hasLog: found.hasLog, sure: verdict === "one" };
  } catch (error) {
    throw storeErrorOf(error)?.kind === "fatal" ? damaged(`${database} or its log cannot be read`, error) : error;
  } finally {
    await reader.close();
  }
}

/** The last server did not stop in order and its log may lack something, so all of it is read. */
async function lookThrough(db: Db): Promise<void> {
  const schema = await schemaAge(db);
  if (schema === "none") return;
  const faults = await structureFaults(db, "quick");
  if (faults.length === 0 && schema === "current")
    faults.push(...(await checkLog(db)).filter(isGrave).map(({ text }) => text));
  const [fault] = faults;
  if (fault !== undefined) throw damaged(fault);
}

function damaged(what: string, cause?: unknown): DatabaseFileError {
  const advice = "the server does not start on it. parley restore puts a backup in its place and keeps what is there";
  return new DatabaseFileError("damaged", `the store is damaged: ${what}; ${advice}`, { cause });
}

function openQuery(file: string, options: SqliteOptions): Db {
  const reader = openConnection(file, options.busyTimeoutMs);
  reader.pragma("query_only = ON");
  return kyselyOver(reader);
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

const HOLDER_MS = 5_000;

/** Puts on the disk what an earlier process was killed before it synced, or failed to sync: this one sees it in the system's memory, and would tell of it. */
function settle(database: Database.Database, file: string, busyTimeoutMs: number): void {
  // Whoever holds the right to write is the only one to change the log. Nobody is served yet, so there is time to wait for it.
  database.pragma(`busy_timeout = ${HOLDER_MS}`);
  database.exec("begin immediate");
  try {
    rewrite(sideFiles(file)[0]);
  } finally {
    database.exec("rollback");
  }
  database.pragma(`busy_timeout = ${busyTimeoutMs}`);
}
