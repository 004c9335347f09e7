import { existsSync } from "node:fs";
import Database from "better-sqlite3";

/** The data folder is in use by another server. */
export class FolderLockedError extends Error {
  constructor(file: string) {
    super(`another server uses this data folder (${file} is locked)`);
    this.name = "FolderLockedError";
  }
}

/** Takes the lock on a data folder and gives the function that releases it. A crash releases it too. Throws FolderLockedError. */
export function lockFolder(file: string): () => void {
  // Node has no flock; an exclusive transaction on a side file is one, and the system drops it with the process.
  const lock = new Database(file, { timeout: 0 });
  try {
    lock.pragma("journal_mode = DELETE");
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (error instanceof Error && "code" in error && /^SQLITE_(BUSY|LOCKED)/.test(String(error.code)))
      throw new FolderLockedError(file);
    throw error;
  }
  return () => lock.close();
}

/** Whether a server uses a data folder. */
export function isLocked(file: string): boolean {
  if (!existsSync(file)) return false;
  try {
    lockFolder(file)();
    return false;
  } catch (error) {
    if (error instanceof FolderLockedError) return true;
    throw error;
  }
}
