/** Parley as nodes on one PostgreSQL and one NATS server, behind a plain balancer. Run by the bench as a process of its own, which starts them all and ends them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { freePort, startPostgres, startProgram, untilOpen } from "./programs.js";

const { NODES_FOLDER: folder, NODES_COUNT: count, POSTGRES_BIN: bin, PARLEY_MAIN: main } = process.env;
if (!folder || !count || !bin || !main) throw new Error("the folder, the programs and the number of nodes must be set");

const postgres = await startPostgres(folder, bin);
if (postgres.isNew) postgres.sql("postgres", "-c", "create database parley");
const natsPort = await freePort();
const nats = startProgram(["nats-server", "-a", "127.0.0.1", "-p", String(natsPort)], {
  ...process.env,
  PATH: `${process.env.PATH}:/usr/sbin`,
});
await untilOpen(natsPort);

interface Node {
  child: ChildProcess;
  ready: Record<string, string>;
}

/** They share a folder, and with it the keys that the first start makes. */
async function startNode(): Promise<Node> {
  const env = {
    ...process.env,
    PARLEY_DATA_DIR: join(folder as string, "data"),
    PARLEY_DATABASE_URL: `postgres://postgres@127.0.0.1:${postgres.port}/parley`,
    PARLEY_NATS_URL: `nats://127.0.0.1:${natsPort}`,
    PARLEY_SEND_RATE: "0",
    PARLEY_LOG_LEVEL: "error",
  };
  const args = [main as string, "serve", "--port", "0", "--json-ready"];
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { child, ready: JSON.parse(line) as Record<string, string> };
}

const nodes: Node[] = [];
for (let at = 0; at < Number(count); at++) nodes.push(await startNode());

let turn = 0;
const balancer = createServer({ noDelay: true }, (client) => {
  const { ready } = nodes[turn++ % nodes.length] as Node;
  const node = connect({ host: "127.0.0.1", port: Number(new URL(ready.url ?? "").port), noDelay: true });
  const pair: Socket[] = [client, node];
  for (const socket of pair)
    socket.on("error", () => undefined).on("close", () => void pair.map((other) => other.destroy()));
  client.pipe(node).pipe(client);
});
balancer.listen(0, "127.0.0.1");
await once(balancer, "listening");
const { port } = balancer.address() as AddressInfo;
console.log(JSON.stringify({ ...nodes[0]?.ready, url: `http://127.0.0.1:${port}` }));

process.on("SIGTERM", async () => {
  const ended = nodes.map(({ child }) => once(child, "exit"));
  for (const { child } of nodes) child.kill("SIGTERM");
  await Promise.all(ended);
  nats.kill("SIGTERM");
  await postgres.stop();
  process.exit(0);
});
