import type { MigrationProvider } from "kysely";
import { core } from "./migrations/0001-core.js";
import { dissolved } from "./migrations/0002-dissolved.js";
import { installations } from "./migrations/0003-installations.js";
import { pushJobs } from "./migrations/0004-push-jobs.js";
import { pushCredentials } from "./migrations/0005-push-credentials.js";
import { logins } from "./migrations/0006-logins.js";
import { attachments } from "./migrations/0007-attachments.js";
import { attributes } from "./migrations/0008-attributes.js";
import { moderation } from "./migrations/0009-moderation.js";
import { users } from "./migrations/0010-users.js";
import { histories } from "./migrations/0011-histories.js";
import type { Dialect } from "./migrations/dialect.js";

export type { Dialect };

/** The migrations in order, each in its file. One that has been released is never changed. */
export function migrations(dialect: Dialect): MigrationProvider {
  const all = {
    "0001_core": core(dialect),
    "0002_dissolved": dissolved(),
    "0006_logins": logins(dialect),
    "0008_attributes": attributes(dialect),
    "0010_users": users(),
    "0003_installations": installations(dialect),
    "0004_push_jobs": pushJobs(dialect),
    "0005_push_credentials": pushCredentials(dialect),
    "0009_moderation": moderation(dialect),
    "0007_attachments": attachments(dialect),
    "0011_histories": histories(),
  };
  return { getMigrations: async () => all };
}
