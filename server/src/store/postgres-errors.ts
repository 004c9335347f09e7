import pg from "pg";
import { StoreError } from "./errors.js";

/** What a failed statement means to the store, and whether its connection is good for nothing more. */
export interface PostgresFailure {
  error: unknown;
  broken: boolean;
}

const KINDS: readonly (readonly [codes: RegExp, kind: StoreError["kind"]])[] = [
  // Serialization, deadlock, a lock that did not come in time: another node was first.
  [/^(40001|40P01|55P03)$/, "conflict"],
  [/^53100$/, "full"],
  // Connections, resources, an operator who stops the server, a server that starts or has become a standby, time-outs.
  [/^(08...|53...|57P..|58...|25006|25P03|57014)$/, "busy"],
];

/** Takes the errors of PostgreSQL and of the way to it for the store's own; a defect of the caller stays what it is. */
export function postgresFailure(error: unknown): PostgresFailure {
  if (error instanceof TypeError || error instanceof RangeError) return { error, broken: false };
  // Whatever the server itself has not said comes from the connection.
  if (!(error instanceof pg.DatabaseError)) return { error: new StoreError("busy", { cause: error }), broken: true };
  const code = error.code ?? "";
  // A newer node has changed a table that a statement kept by this connection reads.
  if (code === "0A000" && /cached plan/.test(error.message))
    return { error: new StoreError("conflict", { cause: error }), broken: true };
  const kind = KINDS.find(([codes]) => codes.test(code))?.[1];
  const broken = error.severity === "FATAL" || error.severity === "PANIC" || code === "25006";
  return { error: kind === undefined ? error : new StoreError(kind, { cause: error }), broken };
}
