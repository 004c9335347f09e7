import type { CompiledQuery } from "kysely";
import { dialectOf } from "./kysely.js";
import { prepared } from "./prepared.js";
import type { Db } from "./schema.js";

/** A query as Kysely builds it. */
interface Query<O> {
  compile(db: Db): CompiledQuery<O>;
}

type Value = string | number | Uint8Array | null;

/** The most values that one list holds; longer lists are asked for in parts. */
const MOST_VALUES = 256;

/**
 * A query that is compiled once, for those that every send or page makes: to build and compile one costs more than to run it. `build` gives any
 * values; the real ones are bound in the order of the text. A list among them stands for the values of an `in`, and `build` gets the lists: the
 * query is compiled, for each database, for few lengths of them, and a list is filled up with its last value. An empty list finds nothing.
 */
export function compiledQuery<O>(build: (db: Db, ...lists: Value[][]) => Query<O>) {
  const queries = new Map<string, CompiledQuery<O>>();
  const ask = async (db: Db, values: readonly (Value | readonly Value[])[]): Promise<O[]> => {
    const filled = values.map((value) => (isList(value) ? fillUp(value) : value));
    const lists = filled.filter(isList);
    const key = `${dialectOf(db)} ${lists.map((list) => list.length).join()}`;
    let query = queries.get(key);
    if (query === undefined) {
      query = prepared(build(db, ...lists).compile(db));
      queries.set(key, query);
    }
    return (await db.executeQuery<O>({ ...query, parameters: filled.flat() })).rows;
  };
  return async (db: Db, values: readonly (Value | readonly Value[])[] = []): Promise<O[]> => {
    const long = values.findIndex((value) => isList(value) && (value.length === 0 || value.length > MOST_VALUES));
    if (long < 0) return await ask(db, values);
    const rows: O[] = [];
    for (const part of partsOf(values)) rows.push(...(await ask(db, part)));
    return rows;
  };
}

function isList<T>(value: T): value is Extract<T, readonly Value[]> {
  return Array.isArray(value);
}

function fillUp(list: readonly Value[]): Value[] {
  const length = 2 ** Math.ceil(Math.log2(list.length));
  const last = list.at(-1) as Value;
  return [...list, ...Array<Value>(length - list.length).fill(last)];
}

/** Every part of each list with every part of the others. */
function partsOf(values: readonly (Value | readonly Value[])[]): (Value | readonly Value[])[][] {
  let combined: (Value | readonly Value[])[][] = [[]];
  for (const value of values) {
    const parts: (Value | readonly Value[])[] = isList(value) ? [] : [value];
    if (isList(value))
      for (let at = 0; at < value.length; at += MOST_VALUES) parts.push(value.slice(at, at + MOST_VALUES));
    combined = combined.flatMap((before) => parts.map((part) => [...before, part]));
  }
  return combined;
}
