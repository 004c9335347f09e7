import { Migrator } from "kysely";
import { type Dialect, migrations } from "./migrations.js";
import type { Db } from "./schema.js";

/** Brings the schema to the newest version; does nothing when it is there. A migration that fails leaves the schema as it was. */
export async function migrateToLatest(db: Db, dialect: Dialect): Promise<void> {
  const { error } = await new Migrator({ db, provider: migrations(dialect) }).migrateToLatest();
  if (error !== undefined) throw new Error("the database schema cannot be brought up to date", { cause: error });
}
