import type Database from "better-sqlite3";
import { Kysely, PostgresAdapter, SqliteAdapter, SqliteDialect } from "kysely";
import type { Dialect } from "./migrations/dialect.js";
import type { Db, Schema } from "./schema.js";

const CACHED_STATEMENTS = 1000;

/** Kysely holds that SQLite cannot change a schema in a transaction. It can, and must: of a migration that a crash cuts short nothing may be left. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class TransactionalDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalAdapter();
  }
}

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
  return new Kysely<Schema>({
    dialect: new TransactionalDialect({ database: { close: () => database.close(), prepare } }),
  });
}

/** The database under a connection. */
export function dialectOf(db: Db): Dialect {
  return db.getExecutor().adapter instanceof PostgresAdapter ? "postgres" : "sqlite";
}
