import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createApp } from "../../server/src/app.js";
import type { Settings } from "../../server/src/config.js";
import { ensureDevelopmentApp } from "../../server/src/domain/development-app.js";
import type { Limits, Times } from "../../server/src/limits.js";
import { createLogger } from "../../server/src/ops/logger.js";
import type { Db } from "../../server/src/store/schema.js";
import { openSqlite } from "../../server/src/store/sqlite.js";
import type { Address } from "./clients.js";
import { type FakeClock, fakeClock } from "./fake-clock.js";
import { tempFolder } from "./temp-store.js";

/** The server's parts on a real store whose every answer comes after a random number of turns, so that everything that can come between two awaits does. */
export interface JitteryServer extends Address {
  appId: string;
  clock: FakeClock;
  /** The head and the floor of the app's log. */
  log(): Promise<{ head: number; floor: number }>;
  close(): Promise<void>;
}

export interface JitteryOptions {
  /** How many turns of the event loop the next answer of the database takes. */
  turns(): number;
  limits?: Partial<Limits>;
  times?: Partial<Times>;
}

export async function startJitteryServer({ turns, limits, times }: JitteryOptions): Promise<JitteryServer> {
  const folder = tempFolder();
  const store = await openSqlite({ dataDir: folder.path, busyTimeoutMs: 20 });
  const late = (db: Db): Db =>
    db.withPlugin({
      transformQuery: ({ node }) => node,
      async transformResult({ result }) {
        for (let left = turns(); left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
        return result;
      },
    });
  const clock = fakeClock();
  const app = await createApp({
    settings: {
      corsOrigins: [],
      trustedProxies: [],
      sendRate: 0,
      retentionForce: false,
    } as Partial<Settings> as Settings,
    store: { ...store, read: late(store.read), write: late(store.write) },
    clock,
    logger: createLogger("error"),
    secretKey: Buffer.alloc(32),
    operatorTokenHash: Buffer.alloc(32),
    version: "0",
    limits,
    times,
    onFatal(error) {
      throw error;
    },
  });
  const keys = await ensureDevelopmentApp(app.ctx, folder.path);
  if (keys === undefined) throw new Error("no app was made");
  const port = createServer((request, response) => void app.handler(request, response)).listen(0, "127.0.0.1");
  await once(port, "listening");
  return {
    ...keys,
    url: `http://127.0.0.1:${(port.address() as AddressInfo).port}`,
    clock,
    log: () => app.ctx.tail.state(keys.appId),
    async close() {
      app.drain();
      const closed = once(port, "close");
      port.close();
      port.closeAllConnections();
      await closed;
      await app.close();
      await store.close();
      folder[Symbol.dispose]();
    },
  };
}
