import { closeSync, openSync, rmSync } from "node:fs";
import Database from "better-sqlite3";
import { sql } from "kysely";
import { DatabaseFileError, storeErrorOf } from "./errors.js";
import { putInPlace, sideFiles, syncPath } from "./files.js";
import { setMark } from "./log-file.js";
import { type SchemaAge, schemaAge } from "./migrate.js";
import { openReader, openReadOnly } from "./reader.js";
import type { Db } from "./schema.js";

export interface CopyOptions {
  /** Told now and then how much is done, from 0 to 1. */
  onProgress(share: number): void;
  /** Ends the copy; what was written of it goes away. */
  signal?: AbortSignal | undefined;
}

// Copied between two turns of the event loop: 8 MiB.
const STEP_PAGES = 2048;

/**
 * Copies a database as it is at one moment, also one that a server is writing to, into a file of its own: whole, checked and on the disk, or not
 * there at all. `finish` gives the copy its name. Throws DatabaseFileError.
 */
export async function copyDatabase(
  from: string,
  to: string,
  options: CopyOptions,
  finish: (copy: string, schema: SchemaAge) => void = (copy) => putInPlace(copy, to),
): Promise<void> {
  const copy = `${to}.${process.pid}.partial`;
  try {
    // Messages and hashes of secrets are in it.
    closeSync(openSync(copy, "w", 0o600));
    await copyPages(from, copy, options);
    const schema = await checkCopy(copy, from);
    closeCopy(copy);
    syncPath(copy);
    finish(copy, schema);
  } finally {
    for (const file of [copy, `${copy}-journal`, ...sideFiles(copy)]) rmSync(file, { force: true });
  }
}

async function copyPages(from: string, to: string, { onProgress, signal }: CopyOptions): Promise<void> {
  const source = open(from);
  try {
    // Within one read transaction every step sees the same moment; without, each commit of the server would start the copy anew.
    source.exec("BEGIN");
    source.prepare("SELECT count(*) FROM sqlite_schema").get();
    await source.backup(to, {
      progress({ totalPages, remainingPages }) {
        signal?.throwIfAborted();
        onProgress(1 - remainingPages / totalPages);
        return STEP_PAGES;
      },
    });
    onProgress(1);
  } catch (error) {
    throw fileErrorOf(error, from);
  } finally {
    source.close();
  }
}

function open(file: string): Database.Database {
  try {
    return openReadOnly(file);
  } catch (error) {
    throw fileErrorOf(error, file);
  }
}

/** Reads all of the copy again. */
async function checkCopy(copy: string, from: string): Promise<SchemaAge> {
  const { db, close } = openReader(copy);
  try {
    const schema = await schemaAge(db);
    if (schema === "none") throw new DatabaseFileError("unusable", `${from} is not a database of Parley's`);
    const [fault] = await structureFaults(db, "quick");
    if (fault !== undefined) throw new DatabaseFileError("damaged", `${from} is damaged: ${fault}`);
    return schema;
  } catch (error) {
    throw fileErrorOf(error, from);
  } finally {
    await close();
  }
}

/** Makes one file of the copy that needs no other beside it, and that no log of the original fits. */
function closeCopy(copy: string): void {
  const database = new Database(copy);
  setMark(database, "even");
  database.pragma("journal_mode = DELETE");
  database.close();
}

/** What SQLite finds wrong with the structure of a database. `quick` leaves out whether the indexes fit their tables. */
export async function structureFaults(db: Db, how: "quick" | "full"): Promise<string[]> {
  type Line = Record<string, string>;
  const check = how === "quick" ? sql<Line>`pragma quick_check(20)` : sql<Line>`pragma integrity_check(20)`;
  const { rows } = await check.execute(db);
  return rows.map((row) => Object.values(row)[0] ?? "").filter((line) => line !== "ok");
}

/** A failure of SQLite's to read a file, in words. */
export function fileErrorOf(error: unknown, file: string): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code))
    return new DatabaseFileError("damaged", `${file} is damaged, or no database at all`, { cause: error });
  if (code === "SQLITE_CANTOPEN")
    return new DatabaseFileError("unusable", `${file} cannot be opened`, { cause: error });
  if (storeErrorOf(error)?.kind === "full")
    return new DatabaseFileError("unusable", "the disk is full", { cause: error });
  return error;
}
