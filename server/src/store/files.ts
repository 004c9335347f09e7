import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";

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

/**
 * Makes a folder that its owner alone can read, and those above it that are absent. What is synced in it later would be lost with its name, so
 * its name is on the disk when this returns.
 */
export function makeFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const above = dirname(resolve(first));
  for (let folder = resolve(path); folder !== above; folder = dirname(folder)) syncPath(dirname(folder));
}

/** Waits until the content of a file, or the names in a folder, are on the disk. Not for a database that this process has open. */
export function syncPath(path: string): void {
  withFile(path, "r", fsyncSync);
}

const CHUNK_BYTES = 1024 * 1024;

/**
 * Puts what is seen of a file on the disk. A sync alone does not do if an earlier one has failed: the system then takes what it could not
 * write for written. So every byte is written again, in its place.
 */
export function rewrite(path: string): void {
  withFile(path, "r+", (handle) => {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (let at = 0, length: number; ; at += length) {
      length = readSync(handle, chunk, 0, CHUNK_BYTES, at);
      if (length === 0) break;
      for (let done = 0; done < length; ) done += writeSync(handle, chunk, done, length - done, at + done);
    }
    fsyncSync(handle);
  });
}

function withFile(path: string, flags: "r" | "r+", work: (handle: number) => void): void {
  const handle = openSync(path, flags);
  try {
    work(handle);
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
