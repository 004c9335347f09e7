import type { CompiledQuery, OnConflictBuilder } from "kysely";
import { dialectOf } from "./kysely.js";
import { prepared } from "./prepared.js";
import type { Db, Row, Schema } from "./schema.js";

// A few sizes cover every batch, so neither Kysely nor the database compiles a statement for each length.
const SIZES = [64, 16, 4, 1] as const;

type Column<T extends keyof Schema> = keyof Row<T> & string;

/** What an insert does with a row that is there by its keys: these columns of it are replaced. */
interface Upsert<T extends keyof Schema> {
  keys: readonly Column<T>[];
  replaced: readonly Column<T>[];
}

/** Makes the function that inserts many rows of one table by few statements. */
export function bulkInsert<T extends keyof Schema>(table: T, columns: readonly Column<T>[], upsert?: Upsert<T>) {
  const compiled = new Map<string, CompiledQuery>();
  const shape = (db: Db, size: number): CompiledQuery => {
    const key = `${dialectOf(db)} ${size}`;
    let query = compiled.get(key);
    if (query === undefined) {
      const blank = Object.fromEntries(columns.map((column) => [column, 0]));
      // The values are placeholders for their parameters; the real ones are bound below.
      const insert = db.insertInto(table as "meta").values(Array.from({ length: size }, () => blank) as never);
      query = prepared((upsert === undefined ? insert : insert.onConflict(replacing(upsert))).compile());
      compiled.set(key, query);
    }
    return query;
  };
  return async (db: Db, rows: readonly Row<T>[]): Promise<void> => {
    let at = 0;
    for (const size of SIZES) {
      while (rows.length - at >= size) {
        const parameters: unknown[] = [];
        for (let end = at + size; at < end; at++) {
          const row = rows[at] as Row<T>;
          for (const column of columns) parameters.push(row[column]);
        }
        await db.executeQuery({ ...shape(db, size), parameters });
      }
    }
  };
}

function replacing<T extends keyof Schema>({ keys, replaced }: Upsert<T>) {
  return (conflict: OnConflictBuilder<Schema, "meta">) =>
    conflict
      .columns(keys as never)
      .doUpdateSet((e) => Object.fromEntries(replaced.map((column) => [column, e.ref(`excluded.${column}` as never)])));
}
