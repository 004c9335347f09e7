import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Balancer, startBalancer } from "../support/balancer.js";
import { type ChaosBus, startChaosBus } from "../support/chaos-bus.js";
import type { Address } from "../support/clients.js";
import { type NatsServer, startNats } from "../support/nats.js";
import { type PostgresServer, startPostgres } from "../support/postgres.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { TEMP_PARENT } from "../support/temp-parent.js";

/** One node, in a process of its own, with a way of its own to the database and to the bus. */
export interface ProcessNode {
  readonly url: string;
  /** Its way to the database. */
  readonly database: TcpProxy;
  readonly bus: ChaosBus;
  readonly server: ProcessServer;
  /** Ends it as a crash does, and starts another at the same address. */
  crash(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops its process where it stands, until `thaw`. */
  freeze(): void;
  thaw(): void;
}

/** Nodes on one PostgreSQL and one NATS server, behind a plain balancer. */
export interface Cluster extends Address {
  readonly nodes: readonly ProcessNode[];
  readonly balancer: Balancer;
  readonly postgres: PostgresServer;
  readonly nats: NatsServer;
  close(): Promise<void>;
}

export async function startCluster(count: number, env: Record<string, string> = {}): Promise<Cluster> {
  const postgres = await startPostgres();
  await postgres.run("create database parley template template0 encoding 'UTF8'");
  const nats = await startNats();
  const folders = mkdtempSync(join(TEMP_PARENT, "parley-cluster-"));
  const shared = {
    PARLEY_SECRET_KEY: randomBytes(32).toString("hex"),
    PARLEY_OPERATOR_TOKEN: randomBytes(32).toString("hex"),
    PARLEY_LOG_LEVEL: "fatal",
    ...env,
  };
  const nodes: ProcessNode[] = [];
  for (let at = 0; at < count; at++) {
    // The folder of the first start holds the keys of the app that it makes.
    nodes.push(await startNode(join(folders, "data"), postgres, nats, shared));
  }
  const balancer = await startBalancer(nodes.map(({ url }) => url));
  const { appId, clientKey, serviceKey } = (nodes[0] as ProcessNode).server;
  return {
    url: balancer.url,
    appId,
    clientKey,
    serviceKey,
    nodes,
    balancer,
    postgres,
    nats,
    async close() {
      await balancer.close();
      await Promise.all(
        nodes.map(async ({ server, database, bus }) => {
          await server.stop();
          await database.close();
          await bus.close();
        }),
      );
      await nats[Symbol.asyncDispose]();
      await postgres.stop();
      rmSync(folders, { recursive: true, force: true });
    },
  };
}

async function startNode(
  dataDir: string,
  postgres: PostgresServer,
  nats: NatsServer,
  env: Record<string, string>,
): Promise<ProcessNode> {
  const url = new URL(postgres.url("parley"));
  const database = await startTcpProxy(`http://${url.host}`);
  url.host = `127.0.0.1:${database.port}`;
  const bus = await startChaosBus(nats.port);
  const port = await freePort();
  const start = () =>
    spawnServer({ dataDir, port, env: { ...env, PARLEY_DATABASE_URL: url.href, PARLEY_NATS_URL: bus.url } });
  let server = await start();
  return {
    url: `http://127.0.0.1:${port}`,
    database,
    bus,
    get server() {
      return server;
    },
    async crash() {
      await server.kill();
      server = await start();
    },
    kill: () => server.kill(),
    async start() {
      server = await start();
    },
    freeze: () => void server.process.kill("SIGSTOP"),
    thaw: () => void server.process.kill("SIGCONT"),
  };
}
