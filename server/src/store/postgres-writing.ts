import { createHash } from "node:crypto";
import { sql } from "kysely";
import { compiledQuery } from "./compiled.js";
import type { Db } from "./schema.js";
import type { Writing } from "./store.js";

/** Parley's own advisory locks, apart from others in the same database. */
const LOCK_CLASS = 0x7061726c;

const begin = compiledQuery(() => sql`begin isolation level read committed read write`);
const lockRows = compiledQuery((db, appIds) =>
  db
    .selectFrom("app_log")
    .select(["app_id", "pos"])
    .where("app_id", "in", appIds as string[])
    .orderBy("app_id")
    .forUpdate(),
);
const lockName = compiledQuery(() => sql`select pg_advisory_xact_lock(${0}, ${0})`);
const newestOf = compiledQuery((db) =>
  db
    .selectFrom("generation")
    .select(["generation_id", "first_pos", "history"])
    .where("app_id", "=", "")
    .orderBy("first_pos", "desc")
    .limit(1),
);

/**
 * Writing to PostgreSQL, beside other nodes. The counter row of each app is locked before anything is read for it: a statement of READ COMMITTED
 * sees what was committed when it began, so from then on this transaction sees all that was ever written for these apps, as a single writer does.
 */
export function postgresWriting(history: () => string): Writing {
  return {
    async begin(db) {
      await begin(db);
    },
    async lockLogs(db, appIds) {
      const heads = await lockLogs(db, appIds);
      const absent = appIds.filter((appId) => !heads.has(appId));
      if (absent.length === 0) return heads;
      // There is no row to lock yet, so its name is: whoever had it before has made the row, or nothing.
      for (const appId of absent) await lockByName(db, appId);
      return new Map([...heads, ...(await lockLogs(db, absent))]);
    },
    history,
    async findGeneration(db, appId) {
      const [newest] = await newestOf(db, [appId, 1]);
      if (newest?.history !== history()) return undefined;
      return { generation_id: newest.generation_id, first_pos: newest.first_pos };
    },
  };
}

/** Takes the lock of a name until the transaction ends. */
export async function lockByName(db: Db, name: string): Promise<void> {
  await lockName(db, [LOCK_CLASS, nameOf(name)]);
}

async function lockLogs(db: Db, appIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await lockRows(db, [appIds]);
  return new Map(rows.map((row) => [row.app_id, row.pos]));
}

function nameOf(appId: string): number {
  return createHash("sha256").update(appId).digest().readInt32BE(0);
}
