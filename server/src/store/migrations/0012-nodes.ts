import type { Kysely, Migration } from "kysely";
import { type Dialect, shapes } from "./dialect.js";

/** What nodes that share a store know of each other: leases, the sessions with a stream on each, streams that another is to end, tries to log in. */
export function nodes(dialect: Dialect): Migration {
  const { clustered } = shapes(dialect);
  return {
    async up(db: Kysely<unknown>) {
      const table = (name: string) => db.schema.createTable(name);
      await table("lease")
        .addColumn("name", "text", (c) => c.primaryKey())
        .addColumn("holder", "text", (c) => c.notNull())
        .addColumn("expire_ms", "bigint", (c) => c.notNull())
        .execute();
      await clustered(table("live_session"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("session_id", "text", (c) => c.notNull())
        .addColumn("user_id", "text", (c) => c.notNull())
        .addColumn("node", "text", (c) => c.notNull())
        .addColumn("stream", "text", (c) => c.notNull())
        .addColumn("open", "integer", (c) => c.notNull())
        .addColumn("visible", "integer", (c) => c.notNull())
        .addColumn("client", "text", (c) => c.notNull())
        .addColumn("begin_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("live_session_pk", ["app_id", "session_id"])
        .execute();
      await db.schema.createIndex("live_session_user").on("live_session").columns(["app_id", "user_id"]).execute();
      await db.schema.createIndex("live_session_node").on("live_session").columns(["node", "app_id"]).execute();
      await clustered(table("stream_end"))
        .addColumn("node", "text", (c) => c.notNull())
        .addColumn("stream", "text", (c) => c.notNull())
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("session_id", "text", (c) => c.notNull())
        .addColumn("reason", "integer", (c) => c.notNull())
        .addPrimaryKeyConstraint("stream_end_pk", ["node", "stream"])
        .execute();
      await clustered(table("tried"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("what_hash", "text", (c) => c.notNull())
        .addColumn("expire_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("tried_pk", ["app_id", "what_hash"])
        .execute();
      await db.schema.createIndex("tried_expire").on("tried").columns(["app_id", "expire_ms"]).execute();
    },
  };
}
