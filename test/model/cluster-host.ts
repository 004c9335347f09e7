import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { sql } from "kysely";
import { type RunningCluster, startCluster } from "../support/cluster.js";
import { databaseOf, freeDatabase, openBeside } from "../support/database.js";
import { eventually } from "../support/eventually.js";
import { must } from "../support/messaging.js";
import { testSettings } from "../support/server.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { tempFolder } from "../support/temp-store.js";
import { goDark, HOST_TIMES, type Host, RETENTION_MS, startNetworks } from "./host.js";
import { leapingClock } from "./leaping-clock.js";

const TIMES = {
  ...HOST_TIMES,
  // Leases go by the clock of the database, which does not leap: they outlive every run, and are over when the nodes are.
  leaseMs: 3_600_000,
  leaseFenceMs: 3_000_000,
  presenceBootGraceMs: 0,
  // So that every node hears, and remembers, what is said and not stored.
  tailIdleMs: 365 * 86_400_000,
};

/** A host of several nodes on one database of PostgreSQL and one NATS. A crash ends all of them. */
export async function startClusterHost(devices: number): Promise<Host> {
  const parent = tempFolder();
  const dataDir = join(parent.path, "data");
  mkdirSync(dataDir);
  const clock = leapingClock();
  const address = new URL(must(await databaseOf(dataDir)));
  // The way of all nodes to the database: whoever cuts it leaves them with what is stored.
  const way = await startTcpProxy(`http://${address.host}`);
  address.host = `127.0.0.1:${way.port}`;
  const settings = { ...testSettings(dataDir), databaseUrl: address.href, logLevel: "silent" } as const;
  const { db } = await openBeside(dataDir);
  const tables = await sql<{ name: string }>`
    select tablename as name from pg_tables where schemaname = 'public' and tablename not like 'kysely%'`.execute(db);
  const names = tables.rows.map(({ name }) => name);
  let copies = 0;
  let life = 1;

  const start = async (): Promise<RunningCluster> => {
    const limits = { eventLoopBusyMs: 1e9, eventLoopFloodedMs: 1e9 };
    const cluster = await startCluster(settings, { clock, times: TIMES, limits });
    // The keeper is at work, and has cleared up after the nodes before.
    await clock.armed(RETENTION_MS);
    await eventually(async () => {
      const left = await sql`select 1 from live_session where node not in (select holder from lease)`.execute(db);
      if (left.rows.length > 0) throw new Error("what the last nodes left is not cleared up yet");
    }, 30_000);
    return cluster;
  };
  let cluster = await start();
  const { networks, backend } = await startNetworks(devices, cluster.url);

  /** Ends what the nodes had under way in the database: it is stored now, or never. */
  const endStatements = async () => {
    const others = sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    await eventually(async () => {
      if ((await others.execute(db)).rows.length > 0) throw new Error("a connection is still there");
    }, 30_000);
  };
  const putBack = async (copy: string) => {
    await db.transaction().execute(async (tx) => {
      for (const name of names) {
        await sql`delete from ${sql.table(name)}`.execute(tx);
        await sql`insert into ${sql.table(name)} select * from ${sql.id(copy, name)}`.execute(tx);
      }
      // What the operator does where PostgreSQL cannot tell: docs/operations.md.
      await sql`update generation set history = ''`.execute(tx);
    });
    life += 1;
  };

  return {
    get server() {
      return cluster;
    },
    get nodes() {
      return cluster.nodes;
    },
    clock,
    networks,
    backend,
    get life() {
      return life;
    },
    beside: () => openBeside(dataDir),
    async backup() {
      copies += 1;
      const copy = `copy_${copies}`;
      await db
        .transaction()
        .setIsolationLevel("repeatable read")
        .execute(async (tx) => {
          await sql`create schema ${sql.id(copy)}`.execute(tx);
          for (const name of names)
            await sql`create table ${sql.id(copy, name)} as table ${sql.table(name)}`.execute(tx);
        });
      return copy;
    },
    async crash(copy) {
      goDark({ networks, backend });
      way.refuse();
      way.cutAll();
      await cluster.close();
      await endStatements();
      if (copy !== undefined) await putBack(copy);
      await sql`delete from lease`.execute(db);
      way.accept();
      cluster = await start();
      for (const network of [...networks, backend]) network.target = cluster.url;
    },
    async leap(ms) {
      const retained = clock.leap(ms, RETENTION_MS);
      await clock.armed(RETENTION_MS);
      return retained;
    },
    async close() {
      for (const network of [...networks, backend]) await network.close();
      await cluster.close();
      await way.close();
      for (let at = 1; at <= copies; at++) await sql`drop schema if exists ${sql.id(`copy_${at}`)} cascade`.execute(db);
      await db.destroy();
      await freeDatabase(dataDir);
      parent[Symbol.dispose]();
    },
  };
}
