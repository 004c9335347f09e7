import { sql } from "kysely";
import type { Db } from "../../server/src/store/schema.js";

/** Whether the suites of this process run on PostgreSQL, by the project of vitest that they run in. */
export const ON_POSTGRES: boolean = process.env.PARLEY_TEST_DATABASE === "postgres";

/** The database that others are copies of. */
export const TEMPLATE = "parley_template";

// The databases that were made, by the data folder that each belongs to.
const names = new Map<string, string>();
let admin: Db | undefined;
let count = 0;

/** The database of a data folder, made when it is first asked for; undefined on SQLite, which has it in the folder. */
export async function databaseOf(dataDir: string): Promise<string | undefined> {
  if (!ON_POSTGRES) return undefined;
  let name = names.get(dataDir);
  if (name === undefined) {
    count += 1;
    name = `parley_${process.pid}_${count}`;
    names.set(dataDir, name);
    await runStatement(`create database ${name} template ${TEMPLATE}`);
  }
  return serverUrl(name);
}

/** Takes the database of a data folder away, whoever still uses it. */
export async function dropDatabase(dataDir: string): Promise<void> {
  const name = names.get(dataDir);
  if (name === undefined) return;
  names.delete(dataDir);
  await runStatement(`drop database ${name} with (force)`);
}

/** The address of a database of the server that the suites run on. */
export function serverUrl(name: string): string {
  const server = process.env.PARLEY_TEST_POSTGRES;
  if (server === undefined) throw new Error("no PostgreSQL server was started for the suites");
  return `${server}${name}`;
}

async function runStatement(statement: string): Promise<void> {
  // Loaded only here, so that suites on SQLite start without it.
  const { openPool } = await import("./postgres.js");
  admin ??= openPool(serverUrl("postgres"));
  await sql.raw(statement).execute(admin);
}
