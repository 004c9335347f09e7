import type { Kysely, Migration } from "kysely";
import { type Dialect, shapes } from "./dialect.js";

/** What is to be pushed, what was, and the words of it. */
export function pushJobs(dialect: Dialect): Migration {
  const { blob, clustered } = shapes(dialect);
  return {
    async up(db: Kysely<unknown>) {
      const table = (name: string) => db.schema.createTable(name);
      await table("push_cursor")
        .addColumn("app_id", "text", (c) => c.primaryKey())
        .addColumn("pos", "bigint", (c) => c.notNull())
        .execute();
      await clustered(table("push_job"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("pos", "bigint", (c) => c.notNull())
        .addColumn("installation_id", "text", (c) => c.notNull())
        .addColumn("user_id", "text", (c) => c.notNull())
        .addColumn("run_ms", "bigint", (c) => c.notNull())
        .addColumn("tries", "integer", (c) => c.notNull())
        .addColumn("expire_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("push_job_pk", ["app_id", "pos", "installation_id"])
        .execute();
      await db.schema.createIndex("push_job_run").on("push_job").columns(["app_id", "run_ms"]).execute();
      await db.schema
        .createIndex("push_job_installation")
        .on("push_job")
        .columns(["app_id", "installation_id"])
        .execute();
      await clustered(table("push_sent"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("push_id", "text", (c) => c.notNull())
        .addColumn("installation_id", "text", (c) => c.notNull())
        .addColumn("opened", "integer", (c) => c.notNull())
        .addColumn("expire_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("push_sent_pk", ["app_id", "push_id"])
        .execute();
      await db.schema.createIndex("push_sent_expire").on("push_sent").columns(["app_id", "expire_ms"]).execute();
      await table("push_count")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("day", "integer", (c) => c.notNull())
        .addColumn("sent", "bigint", (c) => c.notNull())
        .addColumn("opened", "bigint", (c) => c.notNull())
        .addColumn("failed", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("push_count_pk", ["app_id", "day"])
        .execute();
      await table("push_template")
        .addColumn("app_id", "text", (c) => c.primaryKey())
        .addColumn("templates", blob, (c) => c.notNull())
        .execute();
    },
  };
}
