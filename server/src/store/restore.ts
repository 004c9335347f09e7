import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { type CopyOptions, copyDatabase } from "./copy.js";
import { DatabaseFileError } from "./errors.js";
import { keepAs, putInPlace, sideFiles, storeFiles, syncPath } from "./files.js";
import { lockFolder } from "./lock.js";

export interface RestoreOptions extends CopyOptions {
  /** What the database that is replaced is called from then on. */
  keepName: string;
}

/**
 * Puts a backup in the place of the database of a data folder, and keeps the old one under another name; tells whether there was one. Throws
 * FolderLockedError while a server runs on the folder, and DatabaseFileError for a backup that is of no use. Then nothing has changed.
 */
export async function restoreStore(
  backup: string,
  dataDir: string,
  { keepName, ...options }: RestoreOptions,
): Promise<{ kept: boolean }> {
  if (!existsSync(backup)) throw new DatabaseFileError("unusable", `there is no file ${backup}`);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const { database, lock } = storeFiles(dataDir);
  const unlock = lockFolder(lock);
  try {
    const kept = existsSync(database);
    await copyDatabase(backup, database, options, (copy, schema) => {
      if (schema === "newer")
        throw new DatabaseFileError("unusable", `${backup} was written by a newer version of Parley`);
      if (kept) setAside(database, keepName);
      // A log of the old database would be read into the new one.
      for (const file of sideFiles(database)) rmSync(file, { force: true });
      syncPath(dirname(database));
      putInPlace(copy, database);
    });
    return { kept };
  } finally {
    unlock();
  }
}

/** Gives the old database a second name, with all that its log holds; until the new one takes its place it stays where it is. */
function setAside(database: string, keepName: string): void {
  try {
    const old = new Database(database, { timeout: 0 });
    old.pragma("journal_mode = DELETE");
    old.close();
  } catch {
    // It is damaged, which may be why it is replaced: its log is kept beside it as it is.
  }
  const [wal] = sideFiles(database);
  const [keptWal] = sideFiles(keepName);
  keepAs(wal, keptWal);
  keepAs(database, keepName);
}
