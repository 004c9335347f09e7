import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Address } from "./clients.js";
import { databaseOf } from "./database.js";
import { parleyMain } from "./one-file.js";

export { freePort } from "./free-port.js";

/** A server in a process of its own, which can be killed. */
export interface ProcessServer extends Address {
  process: ChildProcess;
  /** Ends it without any warning, as a crash would. */
  kill(): Promise<void>;
  /** Asks it to end, and gives its exit code. */
  stop(): Promise<number | null>;
}

/** Starts `parley serve` and waits until it accepts connections. */
export async function spawnServer(options: {
  dataDir: string;
  port: number;
  env?: Record<string, string>;
  /** Another build of the server than the one under test. */
  main?: string;
  /** Takes what it logs, which is shown otherwise. */
  onStderr?: (text: string) => void;
}): Promise<ProcessServer> {
  const databaseUrl = await databaseOf(options.dataDir);
  const child = spawn(
    process.execPath,
    [options.main ?? parleyMain, "serve", "--port", String(options.port), "--json-ready"],
    {
      env: {
        ...process.env,
        PARLEY_DATA_DIR: options.dataDir,
        PARLEY_SEND_RATE: "0",
        PARLEY_LOG_LEVEL: "error",
        ...(databaseUrl !== undefined && { PARLEY_DATABASE_URL: databaseUrl }),
        ...options.env,
      },
      stdio: ["ignore", "pipe", options.onStderr === undefined ? "inherit" : "pipe"],
    },
  );
  if (options.onStderr !== undefined) child.stderr?.setEncoding("utf8").on("data", options.onStderr);
  const exited = once(child, "exit") as Promise<[number | null]>;
  const ready = once(createInterface({ input: child.stdout as Readable }), "line") as Promise<[string]>;
  const first = await Promise.race([ready, exited.then(([code]) => code)]);
  if (!Array.isArray(first)) throw new Error(`the server ended with ${String(first)} before it was ready`);
  const line = JSON.parse(first[0]) as { url: string; app_id: string; client_key: string; service_key: string };
  return {
    url: line.url,
    appId: line.app_id,
    clientKey: line.client_key,
    serviceKey: line.service_key,
    process: child,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    async stop() {
      child.kill("SIGTERM");
      const [code] = await exited;
      return code;
    },
  };
}
