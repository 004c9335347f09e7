import { type RawBuilder, sql } from "kysely";
import type { Dialect } from "./migrations.js";
import type { Store } from "./store.js";

/** What one process at a time holds, as a node or as the keeper. Each is one statement, written outside of the committer, so that nothing that waits there holds it up. */
export interface Leases {
  /** Takes a lease that is free, is over or is the holder's own, and says whether it is the holder's now. */
  take(name: string, holder: string, lifeMs: number): Promise<boolean>;
  /** Prolongs a lease that is still the holder's, and says whether it was. */
  renew(name: string, holder: string, lifeMs: number): Promise<boolean>;
  /** Ends a lease now, when it is still the holder's. */
  end(name: string, holder: string): Promise<void>;
  /** The leases whose name begins so, with how long each still runs: below 0 when it is over. */
  list(prefix: string): Promise<{ name: string; holder: string; leftMs: number }[]>;
  /** Forgets a lease that is over, and what was left for its holder. */
  forget(name: string): Promise<void>;
}

/** Leases go by the database's clock, so that those of the nodes need not agree; a test has one of its own. */
export function createLeases(store: Pick<Store, "aside" | "read" | "dialect">, clock?: () => number): Leases {
  const { aside: db, read } = store;
  const now = () => (clock === undefined ? timeOf(store.dialect) : sql<number>`${Math.floor(clock())}`);
  return {
    async take(name, holder, lifeMs) {
      const expire = sql<number>`${now()} + ${lifeMs}`;
      const row = await db
        .insertInto("lease")
        .values({ name, holder, expire_ms: expire })
        .onConflict((conflict) =>
          conflict
            .column("name")
            .doUpdateSet((e) => ({ holder: e.ref("excluded.holder"), expire_ms: e.ref("excluded.expire_ms") }))
            .where((e) => e.or([e("lease.expire_ms", "<=", now()), e("lease.holder", "=", holder)])),
        )
        .returning("holder")
        .executeTakeFirst();
      return row !== undefined;
    },
    async renew(name, holder, lifeMs) {
      const row = await db
        .updateTable("lease")
        .set({ expire_ms: sql<number>`${now()} + ${lifeMs}` })
        .where("name", "=", name)
        .where("holder", "=", holder)
        .where("expire_ms", ">", now())
        .returning("holder")
        .executeTakeFirst();
      return row !== undefined;
    },
    async end(name, holder) {
      await db
        .updateTable("lease")
        .set({ expire_ms: now() })
        .where("name", "=", name)
        .where("holder", "=", holder)
        .where("expire_ms", ">", now())
        .execute();
    },
    async list(prefix) {
      return await read
        .selectFrom("lease")
        .select(["name", "holder"])
        .select(sql<number>`expire_ms - ${now()}`.as("leftMs"))
        .where("name", ">=", prefix)
        .where("name", "<", `${prefix}~`)
        .execute();
    },
    async forget(name) {
      const rows = await db
        .deleteFrom("lease")
        .where("name", "=", name)
        .where("expire_ms", "<=", now())
        .returning("holder")
        .execute();
      for (const { holder } of rows) await db.deleteFrom("stream_end").where("node", "=", holder).execute();
    },
  };
}

function timeOf(dialect: Dialect): RawBuilder<number> {
  return dialect === "sqlite"
    ? sql<number>`cast(unixepoch('subsec') * 1000 as integer)`
    : sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`;
}
