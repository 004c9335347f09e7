import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Overrides, type RunningServer, type Settings, startServer } from "@parley/server";
import { NODES, startCluster } from "./cluster.js";
import { databaseOf, freeDatabase } from "./database.js";
import { TEMP_PARENT } from "./temp-parent.js";

/** A server of a test's own, on a free port and a folder of its own. It is several nodes where the suites run on a cluster. */
export interface TestServer {
  url: string;
  appId: string;
  clientKey: string;
  serviceKey: string;
  operatorToken: string;
  dataDir: string;
  running: RunningServer;
  /** What its console gateway of SMS has printed. */
  printed: string[];
  /** Stops the server and starts another on the same folder; the port is a new one. */
  restart(): Promise<TestServer>;
  close(): Promise<void>;
}

export interface TestServerOptions extends Overrides {
  settings?: Partial<Settings>;
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  return await start(options.settings?.dataDir ?? newDataDir(), options);
}

function newDataDir(): string {
  const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-test-"));
  // So that the start need not make it.
  writeFileSync(join(dataDir, "disk-reserve"), "");
  return dataDir;
}

/** The settings of a server of a test's own. */
export function testSettings(dataDir: string): Settings {
  return {
    port: 0,
    host: "127.0.0.1",
    corsOrigins: [],
    trustedProxies: [],
    privateFetch: [],
    logLevel: "error",
    connectionsPerAddress: 2000,
    sendRate: 0,
    retentionForce: false,
    unsafeDatabase: false,
    dataDir,
  } as unknown as Settings;
}

async function start(dataDir: string, options: TestServerOptions): Promise<TestServer> {
  const databaseUrl = options.settings?.databaseUrl ?? (await databaseOf(dataDir));
  const settings: Settings = { ...testSettings(dataDir), databaseUrl, ...options.settings, dataDir };
  // Clients share this process, so its event loop says nothing of the server's load.
  const limits = { eventLoopBusyMs: 1e9, eventLoopFloodedMs: 1e9, ...options.limits };
  const printed: string[] = [];
  const overrides = { print: (text: string) => void printed.push(text), ...options, limits };
  const running = await (NODES > 1 ? startCluster : startServer)(settings, overrides);
  const app = running.developmentApp;
  if (app === undefined) throw new Error("the test server made no development app");
  return {
    url: running.url,
    ...app,
    operatorToken: running.operatorToken,
    dataDir,
    running,
    printed,
    async restart() {
      await running.close();
      return await start(dataDir, options);
    },
    async close() {
      await running.close();
      await freeDatabase(dataDir);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
