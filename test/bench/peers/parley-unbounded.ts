/** Parley without its bound on what a backend stores in a second: fills a store before it is measured. Run by the bench as a process of its own. */
import { type Settings, startServer } from "@parley/server";

const { PARLEY_DATA_DIR: dataDir } = process.env;
if (!dataDir) throw new Error("PARLEY_DATA_DIR must be set");
const settings: Settings = {
  port: 0,
  host: "127.0.0.1",
  dataDir,
  databaseUrl: undefined,
  unsafeDatabase: false,
  operatorToken: undefined,
  secretKey: undefined,
  publicUrl: undefined,
  tls: undefined,
  nats: undefined,
  corsOrigins: [],
  trustedProxies: [],
  privateFetch: [],
  apnsUrl: undefined,
  fcmUrl: undefined,
  logLevel: "error",
  connectionsPerAddress: 0,
  sendRate: 0,
  retentionForce: false,
  fastUnary: true,
};
const server = await startServer(settings, { limits: { serviceSendsPerSecond: 1e9 } });
process.once("SIGTERM", () => void server.close());
console.log(JSON.stringify({ url: server.url, service_key: server.developmentApp?.serviceKey }));
