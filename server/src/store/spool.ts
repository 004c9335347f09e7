import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "./files.js";
import { createSpareRoom } from "./spare-room.js";
import { type Bytes, fullOr, writeNew } from "./write-new.js";

/** Bytes that lie on this machine's disk while something is done with them. */
export interface Spool {
  /** Puts bytes, at most so many, into a file that is gone when the work is done. The work is told their SHA-256 in hex. */
  hold<T>(bytes: Bytes, sizeBytes: number, work: (path: string, sha256: string) => Promise<T>): Promise<T>;
  /** Removes what a crash has left. Only for the process that the folder belongs to. */
  clear(): Promise<void>;
}

export function createSpool(dataDir: string): Spool {
  const folder = join(dataDir, "spool");
  const withRoom = createSpareRoom(dataDir);
  let count = 0;
  return {
    hold: (bytes, sizeBytes, work) =>
      withRoom(sizeBytes, async () => {
        makeFolder(folder);
        const file = join(folder, String(count++));
        const hash = createHash("sha256");
        const seen = async function* () {
          for await (const chunk of bytes) {
            hash.update(chunk);
            yield chunk;
          }
        };
        try {
          await writeNew(file, seen(), { synced: false }).catch((error: unknown) => {
            throw fullOr(error);
          });
          return await work(file, hash.digest("hex"));
        } finally {
          await rm(file, { force: true });
        }
      }),
    clear: () => rm(folder, { recursive: true, force: true }),
  };
}
