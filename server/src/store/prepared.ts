import type { CompiledQuery } from "kysely";

// The texts that PostgreSQL need parse but once on each connection. They are few: only queries that are compiled once come here.
const names = new Map<string, string>();

/** Marks a query as one that is made often. */
export function prepared<O>(query: CompiledQuery<O>): CompiledQuery<O> {
  if (!names.has(query.sql)) names.set(query.sql, `q${names.size}`);
  return query;
}

/** The name under which a connection keeps a statement; undefined for one that is not made often. */
export function statementName(text: string): string | undefined {
  return names.get(text);
}
