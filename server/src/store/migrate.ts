import { Migrator, sql } from "kysely";
import { type Dialect, migrations } from "./migrations.js";
import type { Db } from "./schema.js";

/** Brings the schema to the newest version; does nothing when it is there. A migration that fails leaves the schema as it was. */
export async function migrateToLatest(db: Db, dialect: Dialect): Promise<void> {
  const { error } = await new Migrator({ db, provider: migrations(dialect) }).migrateToLatest();
  if (error !== undefined) throw new Error("the database schema cannot be brought up to date", { cause: error });
}

/** How the schema of a database stands to this version's: `none` when it is no database of Parley's. */
export type SchemaAge = "none" | "older" | "current" | "newer";

export async function schemaAge(db: Db, dialect: Dialect): Promise<SchemaAge> {
  const known = Object.keys(await migrations(dialect).getMigrations());
  const tables = await sql<{ name: string }>`
    select name from sqlite_schema where type = 'table' and name in ('kysely_migration', 'app_log', 'event')`.execute(
    db,
  );
  if (tables.rows.length < 3) return "none";
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db);
  if (rows.some(({ name }) => !known.includes(name))) return "newer";
  return rows.length < known.length ? "older" : "current";
}
