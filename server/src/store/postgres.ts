import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { DatabaseStartError, storeErrorOf } from "./errors.js";
import { claimKey } from "./key-mark.js";
import { migrateToLatest } from "./migrate.js";
import { beginAlone, refuseUnfinishedCopy } from "./move-mark.js";
import { checkServer } from "./postgres-checks.js";
import { kyselyOverPool, type PoolOptions } from "./postgres-pool.js";
import { postgresRoom } from "./postgres-room.js";
import { postgresWriting } from "./postgres-writing.js";
import type { Db } from "./schema.js";
import type { Store } from "./store.js";

export interface PostgresOptions {
  /** postgres://user:password@host:port/database */
  url: string;
  /** Starts on a server that may lose what it has acknowledged, too. */
  unsafe: boolean;
  /** What tells the secret key from others: all nodes must have the same. */
  keyMark: string;
}

const READERS = 8;
const LONG_READERS = 2;
const STATEMENT_MS = 5_000;
/** Less than a lease lives, so that one that was lost on the way is asked again. */
const ASIDE_MS = 1_500;
const LONG_STATEMENT_MS = 60_000;
const LOCK_MS = 3_000;
const IDLE_MS = 10_000;
/** A node that stands still in a transaction holds up the apps that it writes for no longer. */
const WRITER_IDLE_MS = 3_000;
/** How long a start waits for a database server that is starting itself. */
const WAIT_MS = 10_000;
const RETRY_MS = 250;

/** Opens the database of a PostgreSQL server, and brings it to the newest schema. Throws DatabaseStartError. */
export async function openPostgres({ url, unsafe, keyMark }: PostgresOptions): Promise<Store> {
  await makeReady(url, unsafe, keyMark);
  const times = { statementMs: STATEMENT_MS, lockMs: LOCK_MS, idleMs: IDLE_MS };
  const readOnly: PoolOptions["prepare"] = async (query) => {
    await query("set session characteristics as transaction read only");
  };
  let history = "";
  const write = kyselyOverPool({
    ...times,
    idleMs: WRITER_IDLE_MS,
    url,
    connections: 1,
    // Whatever takes the place of a server that was lost may lack what that one had: asked on each new connection.
    async prepare(query) {
      history = String((await query(HISTORY))[0]?.history);
    },
  });
  const read = kyselyOverPool({ ...times, url, connections: READERS, prepare: readOnly });
  const aside = kyselyOverPool({ ...times, url, connections: 1, statementMs: ASIDE_MS, lockMs: ASIDE_MS });
  const longRead = kyselyOverPool({
    ...times,
    url,
    connections: LONG_READERS,
    statementMs: LONG_STATEMENT_MS,
    prepare: readOnly,
  });
  return {
    dialect: "postgres",
    write,
    read,
    longRead,
    aside,
    writing: postgresWriting(() => history),
    room: postgresRoom(),
    logLost: false,
    async close() {
      await Promise.all([write, read, longRead, aside].map((db) => db.destroy()));
    },
  };
}

/**
 * The cluster, its timeline and the table of the logs: another cluster, a recovery to a point in time, a standby that was promoted and a dump that
 * was read in again each have another one. The log may have been cut there.
 */
const HISTORY = `
  select concat_ws('.', system_identifier, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), to_regclass('app_log')::oid) as history
  from pg_control_system()`;

/** Waits for the server, refuses one that is not fit, and makes or renews the tables. Several nodes may do so at once. */
async function makeReady(url: string, unsafe: boolean, keyMark: string): Promise<void> {
  const name = nameOf(url);
  // Tables may take long to change, and other nodes wait meanwhile.
  const db = kyselyOverPool({ url, connections: 2, statementMs: 0, lockMs: 0, idleMs: 0 });
  try {
    await reach(db, name, WAIT_MS);
    await checkServer(db, name, unsafe);
    await migrateToLatest(db);
    await beginAlone(db, async (tx) => {
      await refuseUnfinishedCopy(tx, name);
      await claimKey(tx, keyMark);
    });
  } finally {
    await db.destroy();
  }
}

/** Waits for a database server as long as that may take. Throws DatabaseStartError. */
export async function reach(db: Db, name: string, waitMs: number): Promise<void> {
  const end = performance.now() + waitMs;
  for (;;) {
    try {
      await sql`select 1`.execute(db);
      return;
    } catch (error) {
      const passes = storeErrorOf(error)?.kind === "busy";
      if (passes && performance.now() < end) await sleep(RETRY_MS);
      else throw refused(name, passes ? (error as Error).cause : error);
    }
  }
}

function refused(name: string, cause: unknown): DatabaseStartError {
  const { message, code } = cause as { message?: string; code?: string };
  // Node tells of several addresses that refuse by an error without words.
  return new DatabaseStartError("unreachable", `the database ${name} cannot be used: ${message || code}`, { cause });
}

/** A database without its password. */
export function nameOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}
