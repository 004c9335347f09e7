/** What the peers that consist of several programs share: how these are started, and a PostgreSQL server of their own. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

export async function untilOpen(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const open = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (open) return;
    await sleep(50);
  }
}

/** Starts a program that ends when this one does, however that ends. */
export function startProgram(command: readonly string[], env: NodeJS.ProcessEnv = process.env, user: string[] = []) {
  const args = [...user, "--pdeathsig", "KILL", "--", ...command];
  return spawn("setpriv", args, { stdio: ["ignore", "ignore", "inherit"], env });
}

/** A PostgreSQL server with its usual settings, in `folder`/pg. `isNew` when it was made just now. */
export interface Postgres {
  readonly port: number;
  readonly isNew: boolean;
  sql(database: string, ...args: string[]): void;
  stop(): Promise<void>;
}

export async function startPostgres(folder: string, bin: string): Promise<Postgres> {
  const cluster = join(folder, "pg");
  const port = await freePort();
  const isRoot = process.getuid?.() === 0;
  const asPostgres = isRoot ? ["--reuid=postgres", "--regid=postgres", "--init-groups"] : [];
  const start = (command: readonly string[]): ChildProcess => startProgram(command, process.env, asPostgres);
  const isNew = !existsSync(cluster);
  if (isNew) {
    mkdirSync(cluster);
    if (isRoot) {
      // Its user must be able to pass.
      chmodSync(folder, 0o711);
      execFileSync("chown", ["postgres", cluster]);
    }
    const words = `-D ${cluster} -A trust -U postgres -E UTF8 --locale=C`.split(" ");
    await once(start([join(bin, "initdb"), ...words]), "exit");
  }
  const settings = [
    "listen_addresses=127.0.0.1",
    `port=${port}`,
    `unix_socket_directories=${cluster}`,
    "log_min_messages=fatal",
  ];
  const server = start([join(bin, "postgres"), "-D", cluster, ...settings.flatMap((setting) => ["-c", setting])]);
  await untilOpen(port);
  return {
    port,
    isNew,
    sql(database, ...args) {
      const options = `-q -h 127.0.0.1 -p ${port} -U postgres -d ${database} -v ON_ERROR_STOP=1`.split(" ");
      execFileSync("psql", [...options, ...args], { stdio: ["ignore", "ignore", "inherit"] });
    },
    async stop() {
      const ended = once(server, "exit");
      server.kill("SIGINT");
      await ended;
    },
  };
}
