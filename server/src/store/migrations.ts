import type { MigrationProvider } from "kysely";
import { core } from "./migrations/0001-core.js";
import { dissolved } from "./migrations/0002-dissolved.js";
import { logins } from "./migrations/0006-logins.js";
import { moderation } from "./migrations/0009-moderation.js";
import type { Dialect } from "./migrations/dialect.js";

export type { Dialect };

/** The migrations in order, each in its file. One that has been released is never changed. */
export function migrations(dialect: Dialect): MigrationProvider {
  const all = {
    "0001_core": core(dialect),
    "0002_dissolved": dissolved(),
    "0006_logins": logins(dialect),
    "0009_moderation": moderation(dialect),
  };
  return { getMigrations: async () => all };
}
