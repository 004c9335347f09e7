import { type Kysely, type Migration, sql } from "kysely";
import { type Dialect, shapes } from "./dialect.js";

/** The word filter, the statistics and the record of administration. */
export function moderation(dialect: Dialect): Migration {
  const { clustered } = shapes(dialect);
  return {
    async up(db: Kysely<unknown>) {
      const table = (name: string) => db.schema.createTable(name);
      await table("word_filter")
        .addColumn("app_id", "text", (c) => c.primaryKey())
        .addColumn("enabled", "integer", (c) => c.notNull())
        .addColumn("action", "integer", (c) => c.notNull())
        .addColumn("mask", "text", (c) => c.notNull())
        .addColumn("use_default_list", "integer", (c) => c.notNull())
        .addColumn("ignore_separators", "integer", (c) => c.notNull())
        .addColumn("word_count", "integer", (c) => c.notNull())
        .addColumn("revision", "bigint", (c) => c.notNull())
        .addColumn("update_ms", "bigint", (c) => c.notNull())
        .execute();
      await clustered(table("filter_word"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("word", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("filter_word_pk", ["app_id", "word"])
        .execute();
      await clustered(table("statistic"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("span", "text", (c) => c.notNull())
        .addColumn("start_ms", "bigint", (c) => c.notNull())
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("value", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("statistic_pk", ["app_id", "span", "start_ms", "name"])
        .execute();
      await clustered(table("active_user"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("day_ms", "bigint", (c) => c.notNull())
        .addColumn("user_id", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("active_user_pk", ["app_id", "day_ms", "user_id"])
        .execute();
      await table("counted_log")
        .addColumn("app_id", "text", (c) => c.primaryKey())
        .addColumn("pos", "bigint", (c) => c.notNull())
        .execute();
      // What was said before there were counts is not counted.
      await sql`insert into counted_log (app_id, pos) select app_id, pos from app_log`.execute(db);
      await table("audit_entry")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .addColumn("entry_id", "text", (c) => c.notNull())
        .addColumn("service_key_id", "text", (c) => c.notNull())
        .addColumn("method", "text", (c) => c.notNull())
        .addColumn("targets", "text", (c) => c.notNull())
        .addColumn("target_count", "integer", (c) => c.notNull())
        .addColumn("outcome", "integer", (c) => c.notNull())
        .addColumn("reason", "integer", (c) => c.notNull())
        .addColumn("request_id", "text", (c) => c.notNull())
        .addColumn("address", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("audit_entry_pk", ["app_id", "create_ms", "entry_id"])
        .execute();
      await db.schema
        .createIndex("audit_entry_operator")
        .on("audit_entry")
        .columns(["create_ms", "entry_id"])
        .where(sql.ref("service_key_id"), "=", sql.lit(""))
        .execute();
    },
  };
}
