import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";

/** The files of a data folder that belong to the store. */
export function storeFiles(dataDir: string) {
  return {
    database: join(dataDir, "parley.db"),
    lock: join(dataDir, "parley.lock"),
    reserve: join(dataDir, "disk-reserve"),
  };
}

/** The two files that SQLite keeps beside a database while it is in use. */
export const sideFiles = (database: string): [wal: string, shm: string] => [`${database}-wal`, `${database}-shm`];

/** Waits until the content of a file, or the names in a folder, are on the disk. Not for a database that this process has open. */
export function syncPath(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Gives a finished file its name, for good. */
export function putInPlace(from: string, to: string): void {
  renameSync(from, to);
  syncPath(dirname(to));
}

/** Gives a file a second name, so that the first can be given to another one; where the file system cannot do that, a new name. */
export function keepAs(file: string, name: string): void {
  if (!existsSync(file)) return;
  try {
    linkSync(file, name);
  } catch {
    renameSync(file, name);
  }
}
