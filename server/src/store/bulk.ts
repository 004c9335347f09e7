import type { CompiledQuery } from "kysely";
import type { Db, Row, Schema } from "./schema.js";

// A few sizes cover every batch, so neither Kysely nor the database compiles a statement for each length.
const SIZES = [64, 16, 4, 1] as const;

/** Makes the function that inserts many rows of one table by few statements. */
export function bulkInsert<T extends keyof Schema>(table: T, columns: readonly (keyof Row<T> & string)[]) {
  const compiled = new Map<number, CompiledQuery>();
  const shape = (db: Db, size: number): CompiledQuery => {
    let query = compiled.get(size);
    if (query === undefined) {
      const blank = Object.fromEntries(columns.map((column) => [column, 0]));
      // The values are placeholders for their parameters; the real ones are bound below.
      query = db
        .insertInto(table as "meta")
        .values(Array.from({ length: size }, () => blank) as never)
        .compile();
      compiled.set(size, query);
    }
    return query;
  };
  return async (db: Db, rows: readonly Row<T>[]): Promise<void> => {
    let at = 0;
    for (const size of SIZES) {
      while (rows.length - at >= size) {
        const parameters: unknown[] = [];
        for (const row of rows.slice(at, at + size)) for (const column of columns) parameters.push(row[column]);
        await db.executeQuery({ ...shape(db, size), parameters });
        at += size;
      }
    }
  };
}
