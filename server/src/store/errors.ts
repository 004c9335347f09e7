/**
 * What went wrong below the rules: `busy` and `full` pass and may be tried again, `fatal` means the process must stop and start anew. After a
 * `conflict` with another node nothing was written, and the same may be written again at once.
 */
export class StoreError extends Error {
  readonly kind: "busy" | "full" | "fatal" | "closed" | "overloaded" | "conflict";

  constructor(kind: StoreError["kind"], options?: ErrorOptions) {
    super(`store: ${kind}`, options);
    this.name = "StoreError";
    this.kind = kind;
  }
}

/** The store's own view of a database failure, or undefined for one that is a defect of the caller. */
export function storeErrorOf(error: unknown): StoreError | undefined {
  if (error instanceof StoreError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return new StoreError("busy", { cause: error });
  // The index of the log file lies on the same disk, and growing it has an error of its own.
  if (/^SQLITE_(FULL|READONLY|IOERR_SHMSIZE)/.test(code)) return new StoreError("full", { cause: error });
  // After a failed fsync the page cache can no longer be trusted, so trying again on this handle could acknowledge what is lost.
  if (/^SQLITE_(IOERR|CORRUPT|NOTADB|CANTOPEN)/.test(code)) return new StoreError("fatal", { cause: error });
  return undefined;
}

/** Runs what may be left undone for now: a store that is busy or full does no harm, one that fails does. */
export function unlessFatal(work: () => void): void {
  try {
    work();
  } catch (error) {
    const failure = storeErrorOf(error);
    if (failure === undefined || failure.kind === "fatal") throw error;
  }
}

/** A database file that a command of an operator cannot go on with: not there or of no use to it, or damaged. */
export class DatabaseFileError extends Error {
  readonly kind: "unusable" | "damaged";

  constructor(kind: DatabaseFileError["kind"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DatabaseFileError";
    this.kind = kind;
  }
}

/** A database server that cannot be reached, or that a server must not start on. */
export class DatabaseServerError extends Error {
  readonly kind: "unreachable" | "unfit";

  constructor(kind: DatabaseServerError["kind"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DatabaseServerError";
    this.kind = kind;
  }
}
