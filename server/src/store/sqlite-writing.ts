import { sql } from "kysely";
import { compiledQuery } from "./compiled.js";
import type { Writing } from "./store.js";

const begin = compiledQuery(() => sql`begin immediate`);
const headsOf = compiledQuery((db, appIds) =>
  db
    .selectFrom("app_log")
    .select(["app_id", "pos"])
    .where("app_id", "in", appIds as string[]),
);

/** Writing to SQLite: whoever has begun is alone, and each process begins generations of its own. */
export const sqliteWriting: Writing = {
  async begin(db) {
    await begin(db);
  },
  async lockLogs(db, appIds) {
    const rows = await headsOf(db, [appIds]);
    return new Map(rows.map((row) => [row.app_id, row.pos]));
  },
  history: () => "",
  findGeneration: async () => undefined,
};
