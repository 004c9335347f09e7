import Database from "better-sqlite3";

/** Makes statements of every database in this process fail: what the disk, or a defect, would do to a server. */
export interface BrokenStatements {
  /** The next statement but `after` fails with this error; those before and behind it run. */
  failAfter(after: number, error: Error): void;
  /** Ends it, and tells the statement that failed, if one did. */
  stop(): string | undefined;
  /** Puts the driver back as it was. */
  restore(): void;
}

type Run = (...parameters: unknown[]) => unknown;

/**
 * What the store does for itself when its log has grown, in a transaction of the driver's own, whose words are in capitals: no part of a call.
 * A server whose disk fails there stops, as it must.
 */
const HOUSEKEEPING = /^(pragma|PRAGMA|BEGIN|COMMIT|ROLLBACK|INSERT OR REPLACE INTO meta)/;

export function breakStatements(): BrokenStatements {
  const probe = new Database(":memory:");
  const prototype = Object.getPrototypeOf(probe.prepare("select 1")) as Record<"run" | "all" | "get", Run>;
  probe.close();
  const originals = { run: prototype.run, all: prototype.all, get: prototype.get };
  let wait: number | undefined;
  let failure = new Error("no failure was asked for");
  let failed: string | undefined;
  for (const name of ["run", "all", "get"] as const)
    prototype[name] = function (this: { source: string }, ...parameters) {
      if (!HOUSEKEEPING.test(this.source) && wait !== undefined && wait-- === 0) {
        wait = undefined;
        failed = this.source;
        throw failure;
      }
      return originals[name].apply(this, parameters);
    };
  return {
    failAfter(after, error) {
      [wait, failure, failed] = [after, error, undefined];
    },
    stop() {
      wait = undefined;
      return failed;
    },
    restore: () => void Object.assign(prototype, originals),
  };
}

/** A failure as SQLite's driver tells it. */
export function sqliteError(code: string): Error {
  return Object.assign(new Error(`injected ${code}`), { code });
}
