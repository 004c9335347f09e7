import type Database from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import type { Db, Schema } from "./schema.js";

const CACHED_STATEMENTS = 1000;

/** Kysely over a connection. */
export function kyselyOver(database: Database.Database): Db {
  // Kysely prepares each statement anew; keeping them saves SQLite's parser on every call.
  const statements = new Map<string, Database.Statement>();
  const prepare = (text: string) => {
    let statement = statements.get(text);
    if (statement === undefined) {
      statement = database.prepare(text);
      if (statements.size >= CACHED_STATEMENTS) statements.clear();
      statements.set(text, statement);
    }
    return statement;
  };
  return new Kysely<Schema>({ dialect: new SqliteDialect({ database: { close: () => database.close(), prepare } }) });
}
