import type { Kysely, Migration } from "kysely";
import { type Dialect, shapes } from "./dialect.js";

/** What each app pushes with. */
export function pushCredentials(dialect: Dialect): Migration {
  const { blob } = shapes(dialect);
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("push_credential")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("provider", "integer", (c) => c.notNull())
        .addColumn("environment", "integer", (c) => c.notNull())
        .addColumn("kind", "integer", (c) => c.notNull())
        .addColumn("sealed", blob, (c) => c.notNull())
        .addColumn("fingerprint", "text", (c) => c.notNull())
        .addColumn("topic", "text", (c) => c.notNull())
        .addColumn("project_id", "text", (c) => c.notNull())
        .addColumn("key_id", "text", (c) => c.notNull())
        .addColumn("expire_ms", "bigint")
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("push_credential_pk", ["app_id", "provider", "environment"])
        .execute();
    },
  };
}
