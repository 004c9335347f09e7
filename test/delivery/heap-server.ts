import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Address, testSettings } from "../support/index.js";
import { must } from "../support/messaging.js";
import { serverModule } from "../support/one-file.js";
import { tempFolder } from "../support/temp-store.js";

/** A server in a process of its own, whose memory can be looked at. It never puts streams off. */
export interface HeapServer extends Address {
  pid: number;
  /** The bytes of its heap that are in use after a collection. */
  heapBytes(): Promise<number>;
  stop(): Promise<void>;
}

const program = fileURLToPath(new URL("heap-server.mjs", import.meta.url));

export async function startHeapServer(): Promise<HeapServer> {
  const folder = tempFolder();
  const child = fork(program, [JSON.stringify(testSettings(folder.path)), serverModule], { execArgv: ["--expose-gc"] });
  const ready = once(child, "message") as Promise<[Address]>;
  const failed = once(child, "exit").then(([code]) => Promise.reject(new Error(`the server ended with ${code}`)));
  const [address] = await Promise.race([ready, failed]);
  failed.catch(() => undefined);
  return {
    ...address,
    pid: must(child.pid),
    async heapBytes() {
      const answer = once(child, "message") as Promise<[{ heapBytes: number }]>;
      child.send("heap");
      return (await answer)[0].heapBytes;
    },
    async stop() {
      const exited = once(child, "exit");
      child.disconnect();
      await exited;
      folder[Symbol.dispose]();
    },
  };
}
