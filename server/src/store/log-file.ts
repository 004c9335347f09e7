import { randomInt } from "node:crypto";
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import type Database from "better-sqlite3";
import { sideFiles } from "./files.js";

/**
 * The log file beside the database (SQLite's WAL). SQLite cannot tell that the two do not belong together, nor that the log was shortened after a
 * part of it went into the database; it would serve a mixture. So each log begins by writing a mark into the first page, and names the mark of
 * the database that it continues. The first page goes into the database before any other: while the mark there is still the old one, the database
 * is as the log found it, and any beginning of the log fits it. Marks are random: odd while a server runs, even once it has stopped in order.
 */
export interface LogFile {
  /** Moves the log into the database once it is long, and begins a new one. */
  tend(): void;
  /** Does so now. */
  fold(): void;
  /** Does so for the last time, if it can be done. */
  end(): void;
}

const MARK_OFFSET = 60;
/** The row of `meta` that names the database which a log continues. */
export const LOG_FILE_BASE = "log_file_base";

/** What lies in a folder before it is opened. Not for a database that this process has open. */
export interface StoredFiles {
  /** The mark in the database file alone; undefined when there is none. */
  mark: number | undefined;
  hasLog: boolean;
}

export function lookAtFiles(database: string): StoredFiles {
  const [wal] = sideFiles(database);
  return { mark: storedMark(database), hasLog: existsSync(wal) && statSync(wal).size > 0 };
}

function storedMark(database: string): number | undefined {
  if (!existsSync(database)) return undefined;
  const bytes = Buffer.alloc(4);
  const handle = openSync(database, "r");
  try {
    return readSync(handle, bytes, 0, 4, MARK_OFFSET) === 4 ? bytes.readInt32BE() : undefined;
  } finally {
    closeSync(handle);
  }
}

/** Whether the database and its log are one: `unsure` when that takes reading all of it, `foreign` when the log continues another database. */
export function judgeFiles(database: Database.Database, { mark, hasLog }: StoredFiles): "one" | "unsure" | "foreign" {
  if (mark === undefined) return "one";
  const current = currentMark(database);
  if (current !== mark) return baseOf(database) === mark ? "one" : "foreign";
  return !hasLog && mark !== 0 && mark % 2 === 0 ? "one" : "unsure";
}

/** Takes over the log of the connection that writes. */
export function keepLogFile(write: Database.Database, mostPages: number): LogFile {
  write.pragma("wal_autocheckpoint = 0");
  const look = write.prepare<[], { log: number }>("PRAGMA wal_checkpoint(NOOP)");
  const fold = (mode: "PASSIVE" | "RESTART" | "TRUNCATE", parity: "odd" | "even" = "odd") => {
    const [moved] = write.pragma(`wal_checkpoint(${mode})`) as { log: number; checkpointed: number }[];
    // A reader of an older moment keeps the log from being done with.
    if (moved !== undefined && moved.log === moved.checkpointed) setMark(write, parity);
  };
  return {
    tend() {
      if ((look.get()?.log ?? 0) >= mostPages) fold("PASSIVE");
    },
    fold: () => fold("RESTART"),
    end() {
      try {
        fold("TRUNCATE", "even");
      } catch {
        // Without it the next start has to look through everything.
      }
    },
  };
}

/** Gives a database a mark of its own. What was written before must be in its file. */
export function setMark(database: Database.Database, parity: "odd" | "even"): void {
  const base = currentMark(database);
  const mark = 2 * randomInt(1, 2 ** 30) + (parity === "odd" ? 1 : 0);
  database
    .transaction(() => {
      database.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)").run(LOG_FILE_BASE, String(base));
      database.pragma(`user_version = ${mark}`);
    })
    .immediate();
}

function currentMark(database: Database.Database): number {
  return Number(database.pragma("user_version", { simple: true }));
}

function baseOf(database: Database.Database): number | undefined {
  const row = database.prepare<[string], { value: string }>("SELECT value FROM meta WHERE name = ?").get(LOG_FILE_BASE);
  return row === undefined ? undefined : Number(row.value);
}
