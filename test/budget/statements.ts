import Database from "better-sqlite3";

type Run = (this: Database.Statement, ...values: unknown[]) => unknown;

/** The texts of the statements that this process has run since the count began. */
export interface StatementCount extends Disposable {
  readonly texts: string[];
  /** The rows that statements gave whose text matches. */
  rowsOf(text: RegExp): number;
}

/** Counts every statement that this process runs on SQLite, whoever runs it. */
export function countStatements(): StatementCount {
  const texts: string[] = [];
  const given: number[] = [];
  const database = new Database(":memory:");
  const proto = Object.getPrototypeOf(database.prepare("select 1")) as Record<string, Run>;
  database.close();
  const kept = ["run", "all", "get", "iterate"].map((name) => [name, proto[name] as Run] as const);
  for (const [name, run] of kept)
    proto[name] = function (...values) {
      const result = run.apply(this, values);
      texts.push(this.source);
      given.push(Array.isArray(result) ? result.length : 0);
      return result;
    };
  return {
    texts,
    rowsOf: (text) => given.reduce((sum, rows, at) => (text.test(texts[at] ?? "") ? sum + rows : sum), 0),
    [Symbol.dispose]() {
      for (const [name, run] of kept) proto[name] = run;
    },
  };
}
