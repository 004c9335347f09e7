import { Migrator, sql } from "kysely";
import { dialectOf } from "./kysely.js";
import { bytewiseText } from "./migrations/dialect.js";
import { migrations } from "./migrations.js";
import type { Db } from "./schema.js";

/** Brings the schema to the newest version; does nothing when it is there. A migration that fails leaves the schema as it was. */
export async function migrateToLatest(db: Db): Promise<void> {
  const dialect = dialectOf(db);
  const target = dialect === "postgres" ? db.withPlugin(bytewiseText) : db;
  const { error } = await new Migrator({ db: target, provider: migrations(dialect) }).migrateToLatest();
  if (error === undefined) return;
  if ((await schemaAge(db)) === "newer")
    throw new Error("a newer version of Parley wrote the database: this one cannot serve it", { cause: error });
  throw new Error("the database schema cannot be brought up to date", { cause: error });
}

/** How the schema of a database stands to this version's: `none` when it is no database of Parley's. */
export type SchemaAge = "none" | "older" | "current" | "newer";

export async function schemaAge(db: Db): Promise<SchemaAge> {
  const known = Object.keys(await migrations(dialectOf(db)).getMigrations());
  const tables = await sql<{ name: string }>`
    select name from ${tablesOf(db)} where name in ('kysely_migration', 'app_log', 'event')`.execute(db);
  if (tables.rows.length < 3) return "none";
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db);
  if (rows.some(({ name }) => !known.includes(name))) return "newer";
  return rows.length < known.length ? "older" : "current";
}

function tablesOf(db: Db) {
  return dialectOf(db) === "sqlite"
    ? sql`(select name from sqlite_schema where type = 'table') as t`
    : sql`(select tablename as name from pg_tables where schemaname = current_schema()) as t`;
}
