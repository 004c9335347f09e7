import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Db } from "../../server/src/store/schema.js";
import { openBeside } from "../support/database.js";
import { startTestServer, type TestServer } from "../support/index.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { tempFolder } from "../support/temp-store.js";
import { type LeapingClock, leapingClock } from "./leaping-clock.js";

/** Retention runs as often as the clock leaps; no other timer has this span. */
export const RETENTION_MS = 4_999;

export const HOST_TIMES = {
  retentionIntervalMs: RETENTION_MS,
  dedupMs: 4 * 3_600_000,
  transientDedupMs: 120_000,
  answeredMs: 8 * 3_600_000,
  // Who is here is compared, how soon a silent client is found is not: acknowledgements run by the real clock.
  ackQuietMs: 365 * 86_400_000,
} as const;

/** A server, or several nodes, that can crash and be set back to a backup, behind one network for each device. */
export interface Host {
  readonly server: Pick<TestServer, "url" | "operatorToken">;
  /** The address of each node; one when there is only one. */
  readonly nodes: readonly string[];
  readonly clock: LeapingClock;
  readonly networks: readonly TcpProxy[];
  /** The way of the app's backend, which always works. */
  readonly backend: TcpProxy;
  /** The number of histories so far: whether a crash begins another is the database's to say. */
  readonly life: number;
  /** Opens what is stored, to look into beside the server. */
  beside(): Promise<{ db: Db; close(): Promise<void> }>;
  /** Copies what is stored, as it is this very moment. */
  backup(): Promise<string>;
  /** Ends the server as a crash does, in this very tick, and starts another on what it had stored, or on a backup. No network works until it is let. */
  crash(backup?: string): Promise<void>;
  /** Lets time pass, and what falls due be done. Tells whether retention ran. */
  leap(ms: number): Promise<boolean>;
  close(): Promise<void>;
}

type Networks = Pick<Host, "networks" | "backend">;

export async function startNetworks(devices: number, url: string): Promise<Networks> {
  const networks = await Promise.all(Array.from({ length: devices }, () => startTcpProxy(url)));
  return { networks, backend: await startTcpProxy(url) };
}

/** Breaks all connections, and lets no device make another. */
export function goDark({ networks, backend }: Networks): void {
  backend.cutAll();
  for (const network of networks) {
    network.refuse();
    network.cutAll();
  }
}

export async function startHost(devices: number): Promise<Host> {
  const parent = tempFolder();
  const clock = leapingClock();
  let copies = 0;
  const start = (dataDir: string) =>
    startTestServer({ settings: { dataDir, logLevel: "silent" }, clock, times: HOST_TIMES });
  const first = join(parent.path, "first");
  mkdirSync(first);
  // So that no crash copies a full one.
  writeFileSync(join(first, "disk-reserve"), "");
  let server = await start(first);
  let life = 1;
  const { networks, backend } = await startNetworks(devices, server.url);

  const copy = (from: string): string => {
    copies += 1;
    const to = join(parent.path, `copy-${copies}`);
    mkdirSync(to);
    // The lock and the memory shared between processes die with the process.
    const filter = (file: string) => !/(\.lock|-shm)$/.test(basename(file));
    cpSync(from, to, { recursive: true, filter });
    return to;
  };

  return {
    get server() {
      return server;
    },
    get nodes() {
      return [server.url];
    },
    clock,
    networks,
    backend,
    get life() {
      return life;
    },
    beside: () => openBeside(server.dataDir),
    backup: async () => copy(server.dataDir),
    async crash(folder = server.dataDir) {
      const left = copy(folder);
      goDark({ networks, backend });
      await server.running.close();
      server = await start(left);
      life += 1;
      for (const network of [...networks, backend]) network.target = server.url;
    },
    async leap(ms) {
      const retained = clock.leap(ms, RETENTION_MS);
      await clock.armed(RETENTION_MS);
      return retained;
    },
    async close() {
      for (const network of [...networks, backend]) await network.close();
      await server.running.close();
      parent[Symbol.dispose]();
    },
  };
}
