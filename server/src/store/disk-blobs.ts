import { createReadStream } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BlobName, BlobPart, BlobStore } from "../ports.js";
import { StoreError } from "./errors.js";
import { makeFolder } from "./files.js";
import { bytesToSpare } from "./room.js";

/** The folder of the attachments' bytes in a data folder. */
export const blobFolder = (dataDir: string): string => join(dataDir, "attachments");

const SAFE = /^[A-Za-z0-9_-]{1,128}$/;
const SUFFIXES = { original: "", thumbnail: ".thumbnail", upload: ".upload" } as const;
/** What is not all there yet. */
const DRAFT = ".draft";
const ASKED = 200;

/** Where a part of an attachment lies: a folder for each app, in it one for each end of an id. Ids that could lead elsewhere are refused. */
export function blobFile(folder: string, { appId, attachmentId }: BlobName, part: keyof typeof SUFFIXES): string {
  if (!SAFE.test(appId) || !SAFE.test(attachmentId)) throw new Error("an id that cannot be the name of a file");
  return join(folder, appId, attachmentId.slice(-2), `${attachmentId}${SUFFIXES[part]}`);
}

/** Keeps the bytes of attachments in files below the data folder. */
export function createDiskBlobs(dataDir: string): BlobStore {
  const folder = blobFolder(dataDir);
  const drafts = new Set<string>();
  let promised = 0;
  let count = 0;

  const fileOf = (name: BlobName, part: keyof typeof SUFFIXES) => blobFile(folder, name, part);

  /** Writes a file that is there as a whole or not at all. */
  const write = async (file: string, bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> => {
    makeFolder(dirname(file));
    const draft = `${file}.${count++}${DRAFT}`;
    drafts.add(draft);
    try {
      const handle = await open(draft, "wx", 0o600);
      try {
        for await (const chunk of bytes) await writeAll(handle, chunk);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(draft, file);
      await syncFolder(dirname(file));
    } catch (error) {
      await rm(draft, { force: true });
      throw isFull(error) ? new StoreError("full", { cause: error }) : error;
    } finally {
      drafts.delete(draft);
    }
  };

  /** Does a work that needs so much room, if it is there beside what was promised to others. */
  const withRoom = async (bytes: number, work: () => Promise<void>): Promise<void> => {
    if (bytesToSpare(dataDir) - promised < bytes) throw new StoreError("full");
    promised += bytes;
    try {
      await work();
    } finally {
      promised -= bytes;
    }
  };

  const sizeOf = async (file: string): Promise<number | undefined> =>
    await stat(file).then(({ size }) => size, missing);

  return {
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
            const kept = await known(appId, [...new Set(some.map(idIn))]);
            for (const file of some) {
              if (kept.has(idIn(file)) && !file.endsWith(DRAFT)) continue;
              await rm(join(inside, file), { force: true });
              removed += 1;
            }
          }
        }
      return removed;
    },
  };
}

/** The id in the name of a file: what stands before its first dot. */
function idIn(file: string): string {
  return file.split(".", 1)[0] ?? "";
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at)).bytesWritten;
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

function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}
