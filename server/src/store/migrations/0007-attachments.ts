import { type Kysely, type Migration, sql } from "kysely";
import { type Dialect, shapes } from "./dialect.js";

/** Attachments, and the messages that use them. */
export function attachments(dialect: Dialect): Migration {
  const { clustered } = shapes(dialect);
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("attachment")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("attachment_id", "text", (c) => c.notNull())
        .addColumn("owner_user_id", "text", (c) => c.notNull())
        .addColumn("file_name", "text", (c) => c.notNull())
        .addColumn("mime_type", "text", (c) => c.notNull())
        .addColumn("size_bytes", "bigint", (c) => c.notNull())
        .addColumn("charged_bytes", "bigint", (c) => c.notNull())
        .addColumn("width", "integer", (c) => c.notNull())
        .addColumn("height", "integer", (c) => c.notNull())
        .addColumn("thumbnail", "integer", (c) => c.notNull())
        .addColumn("complete", "integer", (c) => c.notNull())
        .addColumn("used", "integer", (c) => c.notNull())
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("attachment_pk", ["app_id", "attachment_id"])
        .execute();
      await db.schema
        .createIndex("attachment_owner")
        .on("attachment")
        .columns(["app_id", "owner_user_id", "charged_bytes"])
        .execute();
      await db.schema
        .createIndex("attachment_unused")
        .on("attachment")
        .columns(["app_id", "complete", "create_ms"])
        .where(sql.ref("used"), "=", sql.lit(0))
        .execute();
      await clustered(db.schema.createTable("attachment_use"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("attachment_id", "text", (c) => c.notNull())
        .addColumn("audience", "text", (c) => c.notNull())
        .addColumn("conversation_id", "text", (c) => c.notNull())
        .addColumn("seq", "bigint", (c) => c.notNull())
        .addColumn("pos", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("attachment_use_pk", ["app_id", "attachment_id", "audience", "conversation_id", "seq"])
        .execute();
      await db.schema
        .createIndex("attachment_use_message")
        .on("attachment_use")
        .columns(["app_id", "conversation_id", "seq"])
        .execute();
    },
  };
}
