import { type Kysely, type Migration, sql } from "kysely";
import type { Dialect } from "./dialect.js";

/** Which device of a user offline pushes go to. */
export function installations(dialect: Dialect): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("installation")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("installation_id", "text", (c) => c.notNull())
        .addColumn("user_id", "text", (c) => c.notNull())
        .addColumn("platform", "integer", (c) => c.notNull())
        .addColumn("locale", "text", (c) => c.notNull())
        .addColumn("push_provider", "integer", (c) => c.notNull())
        .addColumn("push_token", "text", (c) => c.notNull())
        .addColumn("push_environment", "integer", (c) => c.notNull())
        .addColumn("token_ms", "bigint", (c) => c.notNull())
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("installation_pk", ["app_id", "installation_id"])
        .execute();
      await db.schema
        .createIndex("installation_user")
        .on("installation")
        .columns(["app_id", "user_id", "create_ms"])
        .execute();
      const byToken = db.schema
        .createIndex("installation_token")
        .on("installation")
        .where(sql.ref("push_token"), "!=", sql.lit(""));
      // A token may be longer than an ordered index of PostgreSQL can hold; one that is not ordered cannot be unique.
      if (dialect === "postgres") await byToken.using("hash").column("push_token").execute();
      else await byToken.unique().columns(["app_id", "push_token", "push_provider"]).execute();
      // The sessions of before are on installations too, which have named no token yet.
      await sql`
        insert into installation
          (app_id, installation_id, user_id, platform, locale, push_provider, push_token, push_environment, token_ms, create_ms)
        select app_id, installation_id, max(user_id), max(platform), '', 0, '', 0, 0, max(create_ms)
        from session where installation_id != '' group by app_id, installation_id
      `.execute(db);
    },
  };
}
