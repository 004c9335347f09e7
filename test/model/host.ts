import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { startTestServer, type TestServer } from "../support/index.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { tempFolder } from "../support/temp-store.js";
import { type LeapingClock, leapingClock } from "./leaping-clock.js";

/** Retention runs as often as the clock leaps; no other timer has this span. */
const RETENTION_MS = 4_999;

export const HOST_TIMES = {
  retentionIntervalMs: RETENTION_MS,
  dedupMs: 4 * 3_600_000,
  transientDedupMs: 120_000,
  answeredMs: 8 * 3_600_000,
  // Who is here is compared, how soon a silent client is found is not: acknowledgements run by the real clock.
  ackQuietMs: 365 * 86_400_000,
} as const;

/** A server that can crash and be set back to a backup, behind one network for each device. */
export interface Host {
  readonly server: TestServer;
  readonly clock: LeapingClock;
  readonly networks: readonly TcpProxy[];
  /** The way of the app's backend, which always works. */
  readonly backend: TcpProxy;
  /** The number of starts. */
  readonly life: number;
  /** Copies the data folder as it is this very moment. */
  backup(): string;
  /** Ends the server as a crash does, in this very tick, and starts another on a folder: what it had stored, or a backup. No network works until it is let. */
  crash(folder?: string): Promise<void>;
  /** Lets time pass, and what falls due be done. Tells whether retention ran. */
  leap(ms: number): Promise<boolean>;
  close(): Promise<void>;
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
  const networks = await Promise.all(Array.from({ length: devices }, () => startTcpProxy(server.url)));

  const backend = await startTcpProxy(server.url);

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
    clock,
    networks,
    backend,
    get life() {
      return life;
    },
    backup: () => copy(server.dataDir),
    async crash(folder = server.dataDir) {
      const left = copy(folder);
      backend.cutAll();
      for (const network of networks) {
        network.refuse();
        network.cutAll();
      }
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
