import { type Kysely, type Migration, sql } from "kysely";

/** Which call is completing an upload, for nodes that know nothing of each other. */
export function attempts(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .alterTable("attachment")
        .addColumn("attempt", "integer", (c) => c.notNull().defaultTo(sql.lit(0)))
        .execute();
    },
  };
}
