import { createHash } from "node:crypto";
import { createApp } from "./app.js";
import { readVersion, type S3Settings, type Settings } from "./config.js";
import { listOpenApps } from "./domain/apps.js";
import type { Ctx } from "./domain/context.js";
import { type DevelopmentApp, ensureDevelopmentApp } from "./domain/development-app.js";
import { loadOperatorToken } from "./domain/operator-token.js";
import { createSecretBox, findSecretKey, loadSecretKey, type SecretBox } from "./domain/secret-box.js";
import type { HttpLimits } from "./http/limits.js";
import { listenOnePort } from "./http/one-port.js";
import { LIMITS, type Limits, TIMES, type Times } from "./limits.js";
import { createNetworks, isLoopback } from "./ops/address.js";
import { type Clock, systemClock } from "./ops/clock.js";
import { createLogger, type Logger } from "./ops/logger.js";
import type { PushSender } from "./ports.js";
import { checkFolder, type Finding } from "./store/check-folder.js";
import type { CopyOptions } from "./store/copy.js";
import { createDiskBlobs } from "./store/disk-blobs.js";
import { makeFolder } from "./store/files.js";
import type { MovedTable } from "./store/move.js";
import { lookAtS3Blobs } from "./store/open-s3-blobs.js";
import { openSqlite } from "./store/sqlite.js";
import type { Store } from "./store/store.js";

export type { Settings } from "./config.js";
export { backupStore } from "./store/backup.js";
export type { Finding } from "./store/check-folder.js";
export { restoreStore } from "./store/restore.js";

/** A server that takes calls. */
export interface RunningServer {
  url: string;
  /** The app that a first start makes, for trying things out; undefined when the folder's first app was made otherwise. */
  developmentApp: DevelopmentApp | undefined;
  operatorToken: string;
  /** Resolves when the server has ended; `fatal` when its store could no longer be trusted. */
  closed: Promise<{ fatal: boolean }>;
  /** Sends streams away, finishes what is queued and ends. Repeatable. */
  close(): Promise<void>;
}

/** For tests: other limits, times and clock than the real ones. */
export interface Overrides {
  limits?: Partial<Limits>;
  times?: Partial<Times>;
  clock?: Clock;
  fastUnary?: boolean;
  /** Where the console gateway of SMS prints; stdout when absent. */
  print?: (text: string) => void;
  pushCa?: string;
  pushSender?: PushSender;
}

/** Starts a server on its data folder. Throws when the folder is locked, the store cannot be opened or the port is taken. */
export async function startServer(settings: Settings, overrides: Overrides = {}): Promise<RunningServer> {
  const logger = createLogger(settings.logLevel);
  const times = { ...TIMES, ...overrides.times };
  const store = await openStore(settings, times);
  if (store.logLost)
    logger.error("the last server ended by a crash, and its log file is gone: what it stored last may be lost");
  let finish: (end: { fatal: boolean }) => void = () => undefined;
  const closed = new Promise<{ fatal: boolean }>((resolve) => {
    finish = resolve;
  });
  try {
    const operatorToken = loadOperatorToken(settings.dataDir, settings.operatorToken);
    const app = await createApp({
      settings,
      store,
      clock: overrides.clock ?? systemClock,
      logger,
      secretKey: loadSecretKey(settings.dataDir, settings.secretKey),
      operatorTokenHash: createHash("sha256").update(operatorToken).digest(),
      version: readVersion(),
      limits: overrides.limits,
      times: overrides.times,
      fastUnary: overrides.fastUnary ?? settings.fastUnary,
      print: overrides.print ?? ((text) => void process.stdout.write(`${text}\n`)),
      pushCa: overrides.pushCa,
      pushSender: overrides.pushSender,
      onFatal(error) {
        logger.fatal({ err: error }, "the store can no longer be trusted: stopping");
        finish({ fatal: true });
      },
    });
    const developmentApp = await ensureDevelopmentApp(app.ctx, settings.dataDir);
    const isProxy = createNetworks(settings.trustedProxies);
    const port = await listenOnePort(app.handler, {
      host: settings.host,
      port: settings.port,
      tls: settings.tls,
      limits: httpLimits(settings, { ...LIMITS, ...overrides.limits }, times),
      errors: app.portErrors,
      // A balancer does not lead a connection that it has led here to another node.
      sendsAway: () => !app.mayServe(),
      exempt: (address) => isLoopback(address) || isProxy(address),
      onRefused: (reason) => app.metrics.connectionsRefused.inc({ reason }),
      log: logger,
    });
    app.ready();
    logger.info({ url: port.url, dataDir: settings.dataDir }, "serving");
    await warnOfOpenApps(app.ctx, settings.host, logger);
    let closing: Promise<void> | undefined;
    const close = async () => {
      logger.info("stopping");
      app.drain();
      try {
        await port.close(times.drainMs);
        await app.close();
        await store.close();
      } catch (error) {
        logger.error({ err: error }, "did not stop cleanly");
      } finally {
        finish({ fatal: false });
      }
    };
    return {
      url: settings.publicUrl ?? port.url,
      developmentApp,
      operatorToken,
      closed,
      close: () => (closing ??= close()),
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** What tells a secret key from others without telling it. */
const keyMarkOf = (box: SecretBox): string => box.mac("the key of a database");

async function openStore({ dataDir, databaseUrl, unsafeDatabase, secretKey }: Settings, times: Times): Promise<Store> {
  if (databaseUrl === undefined) return await openSqlite({ dataDir, busyTimeoutMs: times.sqliteBusyMs });
  // Keys and attachments are in the folder all the same.
  makeFolder(dataDir);
  const keyMark = keyMarkOf(createSecretBox(loadSecretKey(dataDir, secretKey)));
  // Loaded only here, so that a server on SQLite starts without it.
  const { openPostgres } = await import("./store/postgres.js");
  return await openPostgres({ url: databaseUrl, unsafe: unsafeDatabase, keyMark });
}

/** Copies what is stored in a data folder into an empty PostgreSQL database, and tells how many rows each table has. */
export async function copyStore(
  dataDir: string,
  options: CopyOptions & Pick<Settings, "secretKey" | "unsafeDatabase"> & { databaseUrl: string },
): Promise<MovedTable[]> {
  const { databaseUrl: url, unsafeDatabase: unsafe, secretKey, ...rest } = options;
  const key = findSecretKey(dataDir, secretKey);
  const box = key === undefined ? undefined : createSecretBox(key);
  const { moveToPostgres } = await import("./store/move.js");
  return await moveToPostgres(dataDir, { ...rest, url, unsafe, keyMark: box && keyMarkOf(box), unseal: box?.open });
}

/**
 * Looks at a data folder and its database, or the PostgreSQL database in its place, whether a server runs on it or not, and changes nothing. `quick`
 * leaves out what reads every row.
 */
export async function examineFolder(
  dataDir: string,
  options: {
    quick: boolean;
    secretKey: string | undefined;
    databaseUrl?: string | undefined;
    s3?: S3Settings | undefined;
  },
): Promise<Finding[]> {
  const { quick, secretKey, databaseUrl, s3 } = options;
  const key = findSecretKey(dataDir, secretKey);
  const unseal = key === undefined ? undefined : createSecretBox(key).open;
  const { blobStoreMs: timeoutMs, downloadStallMs: stallMs } = TIMES;
  const blobs =
    s3 === undefined
      ? createDiskBlobs(dataDir)
      : lookAtS3Blobs({ ...s3, dataDir, timeoutMs, stallMs, spareMs: Infinity, logger: createLogger("silent") });
  if (databaseUrl === undefined) return await checkFolder(dataDir, { quick, unseal, blobs });
  const { checkPostgres } = await import("./store/check-server.js");
  return await checkPostgres(databaseUrl, { quick, unseal, blobs });
}

/** Says loudly which apps let anyone who has their client key log in as anyone. */
async function warnOfOpenApps(ctx: Ctx, host: string, logger: Logger): Promise<void> {
  const loopback = host === "localhost" || host === "::1" || host.startsWith("127.");
  for (const { appId, name } of await listOpenApps(ctx)) {
    const reach = loopback ? "" : ", and this server listens beyond this machine";
    logger.warn({ appId, name }, `login by bare id is on: anyone with the client key can act as anyone${reach}`);
  }
}

function httpLimits(settings: Settings, limits: Limits, times: Times): HttpLimits {
  return {
    sniffTimeoutMs: times.sniffMs,
    headersTimeoutMs: times.headersMs,
    requestTimeoutMs: times.requestMs,
    keepAliveTimeoutMs: times.keepAliveMs,
    stallTimeoutMs: times.connectionStallMs,
    sessionIdleTimeoutMs: times.http2IdleMs,
    pingIntervalMs: times.pingMs,
    pingTimeoutMs: times.pingDeadlineMs,
    tcpKeepAliveMs: times.tcpKeepAliveMs,
    maxConnections: limits.connections,
    connectionsPerAddress: settings.connectionsPerAddress === 0 ? Infinity : settings.connectionsPerAddress,
    newConnectionsPerSecond: limits.newConnectionsPerSecond,
    maxHeaderBytes: limits.headerBytes,
    maxHeaderListPairs: limits.headerPairs,
    maxConcurrentStreams: limits.http2StreamsPerConnection,
    maxStreamResets: limits.http2StreamResets,
    streamResetsPerSecond: limits.http2StreamResetsPerSecond,
    maxSessionMemoryMb: limits.http2SessionMemoryMb,
  };
}
