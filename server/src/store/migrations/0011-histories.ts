import type { Kysely, Migration } from "kysely";

/** Under which history of the database a generation was begun. Empty on SQLite, where each start of a server begins one. */
export function histories(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .alterTable("generation")
        .addColumn("history", "text", (c) => c.notNull().defaultTo(""))
        .execute();
    },
  };
}
