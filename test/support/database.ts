import { storeFiles } from "../../server/src/store/files.js";
import { openReader } from "../../server/src/store/reader.js";
import type { Db } from "../../server/src/store/schema.js";

/** Whether the suites of this process run on PostgreSQL, by the project of vitest that they run in. */
export const ON_POSTGRES: boolean = process.env.PARLEY_TEST_DATABASE === "postgres";

/** The database that others are copies of. */
export const TEMPLATE = "parley_template";

// The databases in use, by the data folder that each belongs to, and those that are empty again: making one costs far more than emptying it.
const names = new Map<string, string>();
const empty: string[] = [];
let count = 0;

/** The database of a data folder, found when it is first asked for; undefined on SQLite, which has it in the folder. */
export async function databaseOf(dataDir: string): Promise<string | undefined> {
  if (!ON_POSTGRES) return undefined;
  let name = names.get(dataDir) ?? empty.pop();
  if (name === undefined) {
    count += 1;
    name = `parley_${process.pid}_${count}`;
    await run("postgres", `create database ${name} template ${TEMPLATE}`);
  }
  names.set(dataDir, name);
  return serverUrl(name);
}

/** The database of a data folder, to look into beside the server that writes it. */
export async function openBeside(dataDir: string): Promise<{ db: Db; close(): Promise<void> }> {
  const url = await databaseOf(dataDir);
  if (url === undefined) return openReader(storeFiles(dataDir).database);
  const { openPool } = await import("./postgres.js");
  const db = openPool(url);
  return { db, close: () => db.destroy() };
}

/** Empties the database of a data folder for whoever needs one next. Nobody uses it any more. */
export async function freeDatabase(dataDir: string): Promise<void> {
  const name = names.get(dataDir);
  if (name === undefined) return;
  names.delete(dataDir);
  await run(name, EMPTY);
  empty.push(name);
}

const EMPTY = `
  do $$ declare one text; begin
    for one in select tablename from pg_tables where schemaname = 'public' and tablename not like 'kysely%'
    loop execute format('delete from %I', one); end loop;
  end $$`;

/** The address of a database of the server that the suites run on. */
export function serverUrl(name: string): string {
  const server = process.env.PARLEY_TEST_POSTGRES;
  if (server === undefined) throw new Error("no PostgreSQL server was started for the suites");
  return `${server}${name}`;
}

async function run(database: string, statement: string): Promise<void> {
  // Loaded only here, so that suites on SQLite start without it.
  const { runStatement } = await import("./postgres.js");
  await runStatement(serverUrl(database), statement);
}
