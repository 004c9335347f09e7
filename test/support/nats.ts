import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./eventually.js";
import { NATS_ENV } from "./nats-installed.js";
import { tempFolder } from "./temp-store.js";

export { natsInstalled } from "./nats-installed.js";

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
    const child = spawn("nats-server", ["-c", config], { env: NATS_ENV, stdio: "ignore" });
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
