import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Server as NetServer } from "node:net";
import { createApp } from "../../server/src/app.js";
import { ensureDevelopmentApp } from "../../server/src/domain/development-app.js";
import type { Limits, Times } from "../../server/src/limits.js";
import type { Clock } from "../../server/src/ops/clock.js";
import { createLogger } from "../../server/src/ops/logger.js";
import type { PushSender } from "../../server/src/ports.js";
import type { Db } from "../../server/src/store/schema.js";
import type { Address } from "./clients.js";
import { dropDatabase } from "./database.js";
import { fakeClock } from "./fake-clock.js";
import { testSettings } from "./server.js";
import { openStore, tempFolder } from "./temp-store.js";

const OPERATOR_TOKEN = "operator";

/** The server's parts on a real store whose every answer comes after a random number of turns, so that everything that can come between two awaits does. */
export interface JitteryServer extends Address {
  /** The address for those who speak HTTP/2 at once; `url` is that of HTTP/1.1. */
  http2Url: string;
  operatorToken: string;
  /** The head and the floor of the app's log. */
  log(): Promise<{ head: number; floor: number }>;
  close(): Promise<void>;
}

export interface JitteryOptions {
  /** How many turns of the event loop the next answer of the database takes, on the connection that reads or on the one that writes. */
  turns(connection: "read" | "write"): number;
  /** Absent, time stands still. */
  clock?: Clock;
  limits?: Partial<Limits>;
  times?: Partial<Times>;
  pushSender?: PushSender;
}

export async function startJitteryServer({
  turns,
  clock = fakeClock(),
  limits,
  times,
  pushSender,
}: JitteryOptions): Promise<JitteryServer> {
  const folder = tempFolder();
  const store = await openStore(folder.path);
  const late = (connection: "read" | "write"): Db =>
    store[connection].withPlugin({
      transformQuery: ({ node }) => node,
      async transformResult({ result }) {
        for (let left = turns(connection); left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
        return result;
      },
    });
  const app = await createApp({
    settings: testSettings(folder.path),
    store: { ...store, read: late("read"), write: late("write") },
    clock,
    logger: createLogger("error"),
    secretKey: Buffer.alloc(32),
    operatorTokenHash: createHash("sha256").update(OPERATOR_TOKEN).digest(),
    version: "0",
    // Clients share this process, so its event loop says nothing of the server's load.
    limits: { eventLoopBusyMs: 1e9, eventLoopFloodedMs: 1e9, ...limits },
    times,
    print: () => undefined,
    pushSender,
    onFatal(error) {
      throw error;
    },
  });
  const keys = await ensureDevelopmentApp(app.ctx, folder.path);
  if (keys === undefined) throw new Error("no app was made");
  const ports = [
    createServer((request, response) => void app.handler(request, response)),
    createHttp2Server((request, response) => void app.handler(request, response)),
  ];
  const [url = "", http2Url = ""] = await Promise.all(ports.map(listen));
  return {
    ...keys,
    url,
    http2Url,
    operatorToken: OPERATOR_TOKEN,
    log: () => app.ctx.tail.state(keys.appId),
    async close() {
      app.drain();
      const closed = ports.map((port) => once(port, "close"));
      for (const port of ports) port.close();
      (ports[0] as Server).closeAllConnections();
      await Promise.all(closed);
      await app.close();
      await store.close();
      await dropDatabase(folder.path);
      folder[Symbol.dispose]();
    },
  };
}

async function listen(port: NetServer): Promise<string> {
  port.listen(0, "127.0.0.1");
  await once(port, "listening");
  return `http://127.0.0.1:${(port.address() as AddressInfo).port}`;
}
