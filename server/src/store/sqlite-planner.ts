import type Database from "better-sqlite3";

const ROWS = 1_000_000;

/**
 * Tells SQLite's planner what every table looks like once it is full: `app_id`, the first column of every key, selects nothing, and each
 * further column much. Without statistics it takes an app for ten rows and reads all of it, rather than look up a list of keys; statistics
 * gathered by ANALYZE would depend on the day they were gathered.
 */
export function tellPlanner(database: Database.Database): void {
  // One transaction: each row on its own would be synced on its own, at every start.
  database.transaction(() => writeStatistics(database))();
  database.exec("analyze sqlite_schema");
}

function writeStatistics(database: Database.Database): void {
  database.exec("analyze meta");
  database.exec("delete from sqlite_stat1");
  const insert = database.prepare("insert into sqlite_stat1 (tbl, idx, stat) values (?, ?, ?)");
  for (const { name: table, wr: clustered } of rows<{ name: string; wr: number }>(database, "table_list")) {
    if (table.startsWith("sqlite_") || table.startsWith("kysely_")) continue;
    for (const index of rows<{ name: string; origin: string }>(database, `index_list(${table})`)) {
      const columns = rows<{ name: string }>(database, `index_info(${index.name})`);
      if (columns[0]?.name !== "app_id") continue;
      // A clustered table's own key goes by the table's name.
      insert.run(table, clustered === 1 && index.origin === "pk" ? table : index.name, statistics(columns.length));
    }
  }
}

/** The number of rows, then how many share the first column, the first two, and so on. */
function statistics(columns: number): string {
  const shared = Array.from({ length: columns }, (_, at) => {
    if (at === 0) return ROWS;
    return at === columns - 1 ? 1 : 100;
  });
  return [ROWS, ...shared].join(" ");
}

function rows<T>(database: Database.Database, pragma: string): T[] {
  return database.pragma(pragma) as T[];
}
