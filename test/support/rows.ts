import { createHash } from "node:crypto";
import { join } from "node:path";
import Database from "better-sqlite3";
import { sql } from "kysely";
import { ON_POSTGRES, openBeside } from "./database.js";

/** The rows of a server's database, read beside it. */
export interface Rows {
  /** Every row, in its table's order, as JSON; of one app when one is named. Columns that are left out do not count. */
  all(options?: { appId?: string; without?: readonly string[] }): Map<string, string[]>;
  /** A mark of all that is stored, equal when nothing has changed. */
  mark(options?: { appId?: string; without?: readonly string[] }): string;
  close(): void;
}

export function openRows(dataDir: string): Rows {
  const database = new Database(join(dataDir, "parley.db"), { readonly: true });
  const tables = database
    .prepare("select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name")
    .pluck()
    .all() as string[];
  const columnsOf = new Map(
    tables.map((table) => [
      table,
      database.prepare("select name from pragma_table_info(?)").pluck().all(table) as string[],
    ]),
  );
  const statements = new Map<string, Database.Statement<unknown[], unknown[]>>();
  const prepared = (sql: string) => {
    const known = statements.get(sql) ?? database.prepare<unknown[], unknown[]>(sql).raw();
    statements.set(sql, known);
    return known;
  };
  const all: Rows["all"] = ({ appId, without = [] } = {}) => {
    const rows = new Map<string, string[]>();
    for (const table of tables) {
      const columns = (columnsOf.get(table) ?? []).filter((column) => !without.includes(`${table}.${column}`));
      if (appId !== undefined && !columns.includes("app_id")) continue;
      const where = appId === undefined ? "" : "where app_id = ?";
      const list = columns.map((column) => `"${column}"`).join(", ");
      const order = columns.map((_, at) => at + 1).join(", ");
      const found = prepared(`select ${list} from "${table}" ${where} order by ${order}`);
      // Bytes become their numbers.
      rows.set(
        table,
        found.all(...(appId === undefined ? [] : [appId])).map((row) => JSON.stringify(row)),
      );
    }
    return rows;
  };
  return {
    all,
    mark: (options) =>
      createHash("sha256")
        .update(JSON.stringify([...all(options)]))
        .digest("hex"),
    close: () => void database.close(),
  };
}

/** Every row as JSON, as `openRows` reads them, on either database. */
export async function readRows(dataDir: string, { appId }: { appId?: string } = {}): Promise<Map<string, string[]>> {
  if (!ON_POSTGRES) {
    const rows = openRows(dataDir);
    try {
      return rows.all(appId === undefined ? {} : { appId });
    } finally {
      rows.close();
    }
  }
  const { db, close } = await openBeside(dataDir);
  try {
    const columns = await sql<{ name: string; columns: string[] }>`
      select table_name as name, array_agg(column_name::text order by ordinal_position) as columns
      from information_schema.columns where table_schema = 'public' group by table_name order by table_name`.execute(
      db,
    );
    const rows = new Map<string, string[]>();
    for (const { name, columns: names } of columns.rows) {
      // Leases are renewed all the time.
      if (name === "lease" || (appId !== undefined && !names.includes("app_id"))) continue;
      const where = appId === undefined ? sql`` : sql`where app_id = ${appId}`;
      const order = sql.raw(names.map((_, at) => at + 1).join(", "));
      const found = await sql<object>`select * from ${sql.table(name)} ${where} order by ${order}`.execute(db);
      rows.set(
        name,
        found.rows.map((row) => JSON.stringify(row)),
      );
    }
    return rows;
  } finally {
    await close();
  }
}

/** The rows that are in one of two readings only, by table: what was taken away with a minus, what was added with a plus. */
export function rowsDiff(before: Map<string, string[]>, after: Map<string, string[]>): string[] {
  const lines: string[] = [];
  for (const table of new Set([...before.keys(), ...after.keys()])) {
    const [old, now] = [new Set(before.get(table)), new Set(after.get(table))];
    for (const row of old) if (!now.has(row)) lines.push(`- ${table} ${row}`);
    for (const row of now) if (!old.has(row)) lines.push(`+ ${table} ${row}`);
  }
  return lines;
}
