import { createReadStream } from "node:fs";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BlobName, BlobPart, BlobStore } from "../ports.js";
import { blobPlace, idInName } from "./blob-place.js";
import { makeFolder } from "./files.js";
import { createSpareRoom } from "./spare-room.js";
import { type Bytes, fullOr, writeNew } from "./write-new.js";

/** The folder of the attachments' bytes in a data folder. */
const blobFolder = (dataDir: string): string => join(dataDir, "attachments");

const SUFFIXES = { original: "", thumbnail: ".thumbnail", upload: ".upload" } as const;
/** What is not all there yet. */
const DRAFT = ".draft";
const ASKED = 200;

/** Where a part of an attachment lies. */
export function blobFile(folder: string, name: BlobName, part: keyof typeof SUFFIXES): string {
  return join(folder, `${blobPlace(name)}${SUFFIXES[part]}`);
}

/** Keeps the bytes of attachments in files below the data folder. */
export function createDiskBlobs(dataDir: string): BlobStore {
  const folder = blobFolder(dataDir);
  const drafts = new Set<string>();
  const withRoom = createSpareRoom(dataDir);
  let count = 0;

  const fileOf = (name: BlobName, part: keyof typeof SUFFIXES) => blobFile(folder, name, part);

  /** Writes a file that is there as a whole or not at all. */
  const write = async (file: string, bytes: Bytes): Promise<void> => {
    makeFolder(dirname(file));
    const draft = `${file}.${count++}${DRAFT}`;
    drafts.add(draft);
    try {
      await writeNew(draft, bytes, { synced: true });
      await rename(draft, file);
      await syncFolder(dirname(file));
    } catch (error) {
      await rm(draft, { force: true });
      throw fullOr(error);
    } finally {
      drafts.delete(draft);
    }
  };

  const sizeOf = async (file: string): Promise<number | undefined> =>
    await stat(file).then(({ size }) => size, missing);

  return {
    direct: undefined,
    receive: (name, bytes, sizeBytes) => withRoom(sizeBytes, () => write(fileOf(name, "upload"), bytes)),
    async claim(name) {
      const original = fileOf(name, "original");
      const moved = await rename(fileOf(name, "upload"), original).then(() => true, missing);
      if (moved === true) await syncFolder(dirname(original));
      return await sizeOf(original);
    },
    putThumbnail: (name, bytes) => withRoom(bytes.length, () => write(fileOf(name, "thumbnail"), [bytes])),
    async read(name, part, start, end) {
      const handle = await open(fileOf(name, part), "r").catch(missing);
      if (handle === undefined) return undefined;
      if (start < end) return createReadStream("", { fd: handle, start, end: end - 1 });
      await handle.close();
      return (async function* () {})();
    },
    size: (name, part: BlobPart) => sizeOf(fileOf(name, part)),
    withFile: (name, work) => work(fileOf(name, "original")),
    async remove(name) {
      for (const part of ["upload", "thumbnail", "original"] as const) await rm(fileOf(name, part), { force: true });
    },
    async sweep(known) {
      let removed = 0;
      for (const appId of await namesIn(folder))
        for (const end of await namesIn(join(folder, appId))) {
          const inside = join(folder, appId, end);
          const files = (await namesIn(inside)).filter((file) => !drafts.has(join(inside, file)));
          for (let at = 0; at < files.length; at += ASKED) {
            const some = files.slice(at, at + ASKED);
            const kept = await known(appId, [...new Set(some.map(idInName))]);
            for (const file of some) {
              if (kept.has(idInName(file)) && !file.endsWith(DRAFT)) continue;
              await rm(join(inside, file), { force: true });
              removed += 1;
            }
          }
        }
      return removed;
    },
  };
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function namesIn(path: string): Promise<string[]> {
  return (await readdir(path).catch(missing)) ?? [];
}

function missing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
  throw error;
}
