import type { Kysely, Migration } from "kysely";
import { type Dialect, shapes } from "./dialect.js";

/** How an app sends codes and whose word it takes, and the codes that were sent. */
export function logins(dialect: Dialect): Migration {
  const { blob } = shapes(dialect);
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("app").addColumn("sms_gateway", blob).execute();
      await db.schema.alterTable("app").addColumn("oauth_providers", blob).execute();
      await db.schema
        .createTable("sms_number")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("number_hash", "text", (c) => c.notNull())
        .addColumn("code_hash", "text")
        .addColumn("code_expire_ms", "bigint", (c) => c.notNull())
        .addColumn("tries", "integer", (c) => c.notNull())
        .addColumn("sent_ms", "bigint", (c) => c.notNull())
        .addColumn("day_ms", "bigint", (c) => c.notNull())
        .addColumn("day_sent", "integer", (c) => c.notNull())
        .addColumn("expire_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("sms_number_pk", ["app_id", "number_hash"])
        .execute();
      await db.schema.createIndex("sms_number_expire").on("sms_number").columns(["app_id", "expire_ms"]).execute();
      await db.schema
        .createTable("sms_day")
        .addColumn("app_id", "text", (c) => c.primaryKey())
        .addColumn("day_ms", "bigint", (c) => c.notNull())
        .addColumn("day_sent", "integer", (c) => c.notNull())
        .execute();
    },
  };
}
