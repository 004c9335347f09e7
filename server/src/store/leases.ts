import { type RawBuilder, sql } from "kysely";
import type { Db } from "./schema.js";

/** Whose clock leases go by: the database's own, so that the clocks of nodes need not agree. A test has one of its own. */
export type LeaseClock = "sqlite" | "postgres" | (() => number);

/** What one process at a time holds. Each is one statement, written outside of the committer, so that nothing that waits there holds it up. */
export interface Leases {
  /** Takes a lease that is free, is over or is the holder's own, and says whether it is the holder's now. */
  take(name: string, holder: string, lifeMs: number): Promise<boolean>;
  /** Prolongs a lease that is still the holder's, and says whether it was. */
  renew(name: string, holder: string, lifeMs: number): Promise<boolean>;
  /** Ends a lease now, when it is still the holder's. */
  end(name: string, holder: string): Promise<void>;
  /** The leases whose name begins so, with how long each still runs: below 0 when it is over. */
  list(prefix: string): Promise<{ name: string; holder: string; leftMs: number }[]>;
  /** Forgets a lease that is over. */
  forget(name: string): Promise<void>;
}

export function createLeases(db: Db, clock: LeaseClock): Leases {
  const now = () => timeOf(clock);
  return {
    async take(name, holder, lifeMs) {
      const expire = sql<number>`${now()} + ${sql.lit(lifeMs)}`;
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
        .set({ expire_ms: sql<number>`${now()} + ${sql.lit(lifeMs)}` })
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
      return await db
        .selectFrom("lease")
        .select(["name", "holder"])
        .select(sql<number>`expire_ms - ${now()}`.as("leftMs"))
        .where("name", ">=", prefix)
        .where("name", "<", `${prefix}~`)
        .execute();
    },
    async forget(name) {
      await db.deleteFrom("lease").where("name", "=", name).where("expire_ms", "<=", now()).execute();
    },
  };
}

function timeOf(clock: LeaseClock): RawBuilder<number> {
  if (clock === "sqlite") return sql<number>`cast(unixepoch('subsec') * 1000 as integer)`;
  if (clock === "postgres") return sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`;
  return sql<number>`${Math.floor(clock())}`;
}
