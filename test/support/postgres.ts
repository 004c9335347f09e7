import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { sql } from "kysely";
import { kyselyOverPool } from "../../server/src/store/postgres-pool.js";
import type { Db } from "../../server/src/store/schema.js";
import { freePort } from "./free-port.js";
import { type PostgresPrograms, postgresPrograms } from "./postgres-programs.js";
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
  const programs = await postgresPrograms();
  const databaseDir = makeCluster(programs);
  const port = await freePort();
  const flags = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=1000", ...settings];
  const start = () =>
    startProgram(programs, [`--port=${port}`, "-D", databaseDir, ...flags.flatMap((flag) => ["-c", flag])]);
  let server = await start();
  const end = async (signal: NodeJS.Signals) => {
    const ended = once(server, "exit");
    server.kill(signal);
    await ended;
  };
  const url = (database: string) => `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/${database}`;
  return {
    url,
    async run(statement, database = "postgres") {
      return await runStatement(url(database), statement);
    },
    async crash() {
      await end("SIGQUIT");
      server = await start();
    },
    async stop() {
      await end("SIGINT");
      rmSync(databaseDir, { recursive: true, force: true });
    },
  };
}

/** Makes the files of an empty server. */
function makeCluster({ initdb, as }: PostgresPrograms): string {
  const databaseDir = mkdtempSync(join(TEMP_PARENT, "parley-postgres-"));
  const passwordFile = `${databaseDir}.password`;
  writeFileSync(passwordFile, PASSWORD);
  if (as !== undefined) for (const path of [databaseDir, passwordFile]) chownSync(path, as.uid, as.gid);
  const options = ["--auth=password", `--username=${USER}`, `--pwfile=${passwordFile}`, "--encoding=UTF8", "--no-sync"];
  try {
    execFileSync(initdb, [`--pgdata=${databaseDir}`, "--lc-messages=C", ...options], {
      ...as,
      cwd: "/",
      stdio: "pipe",
    });
  } finally {
    rmSync(passwordFile);
  }
  return databaseDir;
}

async function startProgram({ postgres, as }: PostgresPrograms, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(postgres, args, { ...as, cwd: "/", stdio: ["ignore", "ignore", "pipe"] });
  const kill = () => void child.kill("SIGQUIT");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const said: string[] = [];
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (line.includes("ready to accept connections")) resolve();
      else if (said.length < 20) said.push(line);
    });
  });
  const ended = once(child, "exit").then(() =>
    Promise.reject(new Error(`PostgreSQL did not start: ${said.join("\n")}`)),
  );
  ended.catch(() => undefined);
  await Promise.race([ready, ended]);
  return child;
}

/** Runs a statement on a database, whoever has started its server. */
export async function runStatement(url: string, statement: string): Promise<unknown[]> {
  const db = openPool(url);
  try {
    return (await sql.raw(statement).execute(db)).rows;
  } finally {
    await db.destroy();
  }
}

/** A connection for the test's own queries. */
export function openPool(url: string): Db {
  return kyselyOverPool({ url, connections: 1, statementMs: 0, lockMs: 0, idleMs: 0 });
}
