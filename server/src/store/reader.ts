import Database from "better-sqlite3";
import { kyselyOver } from "./kysely.js";
import type { Db } from "./schema.js";

/** A database file opened for looking only. */
export interface Reader {
  db: Db;
  connection: Database.Database;
  close(): Promise<void>;
}

// Nobody waits for this process's event loop, and a server that starts holds the file for a moment.
const BUSY_MS = 5_000;

/** Opens a database file that may be in use by a server, or by none. Nothing is written, not even to bring the schema up to date. */
export function openReader(file: string): Reader {
  const connection = openReadOnly(file);
  const db = kyselyOver(connection);
  return { db, connection, close: () => db.destroy() };
}

export function openReadOnly(file: string): Database.Database {
  const database = new Database(file, { readonly: true, fileMustExist: true, timeout: BUSY_MS });
  database.pragma("trusted_schema = OFF");
  database.pragma("cell_size_check = ON");
  return database;
}
