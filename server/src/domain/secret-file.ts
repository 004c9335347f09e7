import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolder, syncPath } from "../store/files.js";

/** The text of a file, or undefined when there is none. */
export function readSecretFile(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Writes a file that its owner alone can read. It is whole and on the disk when this returns: what is sealed with a lost key is lost. */
export function writeSecretFile(file: string, text: string): void {
  makeFolder(dirname(file));
  const fresh = `${file}.new`;
  const handle = openSync(fresh, "w", 0o600);
  try {
    writeSync(handle, `${text}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(fresh, file);
  syncPath(dirname(file));
}
