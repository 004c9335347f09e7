import { type Kysely, type Migration, sql } from "kysely";

/** What is out of reach and still to be blanked, what users keep out of their own sight; places by their owner, participants by their conversation. */
export function users(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("erasure")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("subject", "text", (c) => c.notNull())
        .addColumn("upto_pos", "bigint", (c) => c.notNull())
        .addColumn("begin_ms", "bigint", (c) => c.notNull())
        .addColumn("log_pos", "bigint", (c) => c.notNull())
        .addColumn("conversation_id", "text", (c) => c.notNull())
        .addColumn("seq", "bigint", (c) => c.notNull())
        .addColumn("events", "bigint", (c) => c.notNull())
        .addColumn("messages", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("erasure_pk", ["app_id", "subject"])
        .execute();
      for (const column of ["hidden_pos", "unlisted_pos"])
        await db.schema
          .alterTable("participant")
          .addColumn(column, "bigint", (c) => c.notNull().defaultTo(sql.lit(0)))
          .execute();
      await db.schema
        .createIndex("participant_conversation")
        .on("participant")
        .columns(["app_id", "conversation_id"])
        .execute();
      await db.schema.createIndex("place_owner").on("place").columns(["app_id", "owner_user_id"]).execute();
    },
  };
}
