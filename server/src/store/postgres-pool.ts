import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { postgresFailure } from "./postgres-errors.js";
import { statementName } from "./prepared.js";
import type { Db, Schema } from "./schema.js";

export interface PoolOptions {
  url: string;
  /** The most connections. */
  connections: number;
  /** The time-outs of the server, in milliseconds; 0 is none. */
  statementMs: number;
  lockMs: number;
  /** How long a transaction may do nothing. */
  idleMs: number;
  /** Run on each new connection before anything else. */
  prepare?: (query: (text: string) => Promise<pg.QueryResult>) => Promise<void>;
}

const CONNECT_MS = 5_000;
/** How much longer than the server the client waits: a server that is cut off says nothing any more. */
const SILENCE_MS = 5_000;

const INT8 = 20;
const NUMERIC = 1700;
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === INT8 || oid === NUMERIC ? wholeNumber : pg.types.getTypeParser(oid, format as "text"),
};

/** Sums are numeric, counts and columns int8; all of them are whole. */
function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is larger than a number can hold`);
  return value;
}

/** Kysely over a pool of connections that heals by itself: a connection that was lost costs whoever used it a StoreError, and is replaced. */
export function kyselyOverPool(options: PoolOptions): Db {
  const { url, connections, statementMs, lockMs, idleMs, prepare } = options;
  const pool = new pg.Pool({
    connectionString: url,
    application_name: "parley",
    max: connections,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: statementMs,
    lock_timeout: lockMs,
    idle_in_transaction_session_timeout: idleMs,
    ...(statementMs > 0 && { query_timeout: statementMs + SILENCE_MS }),
    types,
  });
  // A connection that is lost while nobody uses it is told of here and nowhere else; whoever uses one hears of it by its query.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => void client.on("error", () => undefined));
  const known = new WeakMap<pg.PoolClient, Client>();
  const connect = async (): Promise<Client> => {
    const connection = await pool.connect().catch((error: unknown) => {
      throw postgresFailure(error).error;
    });
    const client = known.get(connection) ?? clientOver(connection);
    if (!known.has(connection)) {
      try {
        await prepare?.((text) => client.query(text, []));
      } catch (error) {
        connection.release(true);
        throw error;
      }
      known.set(connection, client);
    }
    return client;
  };
  return new Kysely<Schema>({
    dialect: new PostgresDialect({ pool: { connect: connect as never, end: () => pool.end() } }),
  });
}

interface Client {
  query(text: string, values: readonly unknown[]): Promise<pg.QueryResult>;
  release(): void;
}

function clientOver(connection: pg.PoolClient): Client {
  let broken = false;
  return {
    async query(text, values) {
      const name = statementName(text);
      try {
        return await connection.query({ text, values: [...values], ...(name !== undefined && { name }) });
      } catch (cause) {
        const failure = postgresFailure(cause);
        // What cannot be undone must not reach the next user.
        broken ||= failure.broken || text === "rollback";
        throw failure.error;
      }
    },
    release: () => connection.release(broken),
  };
}
