import { type CreateTableBuilder, sql } from "kysely";

/** The database underneath. The same migrations serve both. */
export type Dialect = "sqlite" | "postgres";

/** What a migration writes differently for each database. */
export function shapes(dialect: Dialect) {
  return {
    blob: dialect === "sqlite" ? sql`blob` : sql`bytea`,
    /** A clustered table saves a second tree for each row; PostgreSQL has no such thing and needs none. */
    clustered: <T extends string, C extends string>(table: CreateTableBuilder<T, C>) =>
      dialect === "sqlite" ? table.modifyEnd(sql`without rowid`) : table,
  };
}
