import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./eventually.js";
import { tempFolder } from "./temp-store.js";

// Debian puts it where only the superuser's shell looks.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** Whether nats-server is there. When not, it says so aloud; with PARLEY_REQUIRE_ALL it throws instead. */
export function natsInstalled(suite: string): boolean {
  if (spawnSync("nats-server", ["--version"], { env, stdio: "ignore" }).status === 0) return true;
  const advice = "apt-get install -y --no-install-recommends nats-server";
  if (process.env.PARLEY_REQUIRE_ALL === "1") throw new Error(`${suite} needs: ${advice}`);
  console.warn(`SKIPPED: ${suite}. It needs: ${advice}`);
  return false;
}

/** A server of NATS of one's own, on this machine alone. */
export interface NatsServer extends AsyncDisposable {
  readonly port: number;
  /** The address, the same after a new start, with who may come in if that was said. */
  readonly url: string;
  /** Kills it. */
  stop(): Promise<void>;
  /** Starts it again at the same address. */
  start(): Promise<void>;
}

export async function startNats(login?: { user: string; password: string }): Promise<NatsServer> {
  const folder = tempFolder();
  const config = join(folder.path, "nats.conf");
  const authorization = login === undefined ? "" : `authorization ${JSON.stringify(login)}\n`;
  let port = -1;
  let stop = async () => {};
  const start = async () => {
    // The server writes the port that it got into a folder.
    const ports = join(folder.path, `ports-${Date.now()}`);
    mkdirSync(ports);
    writeFileSync(config, `listen: "127.0.0.1:${port}"\nports_file_dir: ${JSON.stringify(ports)}\n${authorization}`);
    const child = spawn("nats-server", ["-c", config], { env, stdio: "ignore" });
    const ended = once(child, "close");
    stop = async () => {
      child.kill("SIGKILL");
      await ended;
    };
    port = await eventually(() => {
      const [file = ""] = readdirSync(ports);
      const { nats } = JSON.parse(readFileSync(join(ports, file), "utf8")) as { nats: string[] };
      return Number(new URL(nats[0] ?? "").port);
    }, 10_000);
  };
  await start();
  return {
    port,
    url: `nats://${login === undefined ? "" : `${login.user}:${login.password}@`}127.0.0.1:${port}`,
    stop: () => stop(),
    start,
    async [Symbol.asyncDispose]() {
      await stop();
      folder[Symbol.dispose]();
    },
  };
}
