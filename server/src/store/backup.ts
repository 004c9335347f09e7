import { existsSync } from "node:fs";
import { type CopyOptions, copyDatabase } from "./copy.js";
import { DatabaseFileError } from "./errors.js";
import { storeFiles } from "./files.js";

export interface BackupOptions extends CopyOptions {
  /** Replaces a file that is there. */
  force: boolean;
}

/** Copies the database of a data folder into a file, whether a server runs on it or not. Throws DatabaseFileError. */
export async function backupStore(dataDir: string, file: string, { force, ...options }: BackupOptions): Promise<void> {
  const { database } = storeFiles(dataDir);
  if (!existsSync(database)) throw new DatabaseFileError("unusable", `there is no database in ${dataDir}`);
  if (existsSync(file) && !force)
    throw new DatabaseFileError("unusable", `${file} is there already (--force replaces it)`);
  await copyDatabase(database, file, options);
}
