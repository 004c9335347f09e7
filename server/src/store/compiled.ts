import type { CompiledQuery } from "kysely";
import type { Db } from "./schema.js";

/** A query as Kysely builds it. */
interface Query<O> {
  compile(db: Db): CompiledQuery<O>;
}

/** The most values that one list of a compiled query holds; longer lists are asked for in parts. */
const MOST_VALUES = 256;

/**
 * A query that is compiled at its first use, for those that every send makes: to build and compile one costs more than to run it. The values are
 * bound in the order of the text, in place of those that `build` gave.
 */
export function compiledQuery<O>(build: (db: Db) => Query<O>) {
  let query: CompiledQuery<O> | undefined;
  return async (db: Db, values: readonly unknown[] = []): Promise<O[]> => {
    query ??= build(db).compile(db);
    return (await db.executeQuery<O>({ ...query, parameters: values })).rows;
  };
}

/** The same for a query with fixed values first and lists of values after them. It is compiled for few lengths, and a list filled up with its last value. */
export function compiledListQuery<O>(build: (db: Db, ...lists: string[][]) => Query<O>) {
  const queries = new Map<string, CompiledQuery<O>>();
  const ask = async (db: Db, fixed: readonly unknown[], lists: readonly (readonly string[])[]): Promise<O[]> => {
    const filled = lists.map(fillUp);
    const key = filled.map((list) => list.length).join();
    let query = queries.get(key);
    if (query === undefined) {
      query = build(db, ...filled).compile(db);
      queries.set(key, query);
    }
    return (await db.executeQuery<O>({ ...query, parameters: fixed.concat(...filled) })).rows;
  };
  return async (db: Db, fixed: readonly unknown[], ...lists: (readonly string[])[]): Promise<O[]> => {
    if (lists.some((list) => list.length === 0)) return [];
    if (lists.every((list) => list.length <= MOST_VALUES)) return await ask(db, fixed, lists);
    const rows: O[] = [];
    for (const part of partsOf(lists)) rows.push(...(await ask(db, fixed, part)));
    return rows;
  };
}

function fillUp(list: readonly string[]): string[] {
  const length = 2 ** Math.ceil(Math.log2(list.length));
  const last = list.at(-1) as string;
  return [...list].concat(Array<string>(length - list.length).fill(last));
}

/** Every part of each list with every part of the others. */
function partsOf(lists: readonly (readonly string[])[]): (readonly string[])[][] {
  return lists.reduce<(readonly string[])[][]>(
    (combined, list) => {
      const parts: (readonly string[])[] = [];
      for (let at = 0; at < list.length; at += MOST_VALUES) parts.push(list.slice(at, at + MOST_VALUES));
      return combined.flatMap((before) => parts.map((part) => [...before, part]));
    },
    [[]],
  );
}
