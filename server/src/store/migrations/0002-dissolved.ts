import type { Kysely, Migration } from "kysely";

/** The places that were deleted and whose words are still to be removed. */
export function dissolved(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("dissolved")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("place", "text", (c) => c.notNull())
        .addColumn("deleted_pos", "bigint", (c) => c.notNull())
        .addColumn("wiped_pos", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("dissolved_pk", ["app_id", "place"])
        .execute();
    },
  };
}
