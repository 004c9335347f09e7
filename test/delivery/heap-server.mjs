/** A server in a process of its own that tells its heap after a collection: `node --expose-gc heap-server.mjs SETTINGS SERVER_MODULE`, over IPC. */
import { setTimeout as delay } from "node:timers/promises";

const [settings, serverModule] = process.argv.slice(2);
const { startServer } = await import(serverModule);
// A busy machine must not make it put streams off: what is looked at is what open ones cost.
const limits = { eventLoopBusyMs: 1e6, eventLoopFloodedMs: 1e6 };
const server = await startServer(JSON.parse(settings), { limits });
process.send({ url: server.url, ...server.developmentApp });
process.on("message", async () => {
  for (let turn = 0; turn < 5; turn++) {
    globalThis.gc();
    await delay(50);
  }
  process.send({ heapBytes: process.memoryUsage().heapUsed });
});
process.on("disconnect", () => process.exit());
