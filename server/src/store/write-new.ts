import { type FileHandle, open } from "node:fs/promises";
import { StoreError } from "./errors.js";

/** Bytes as they come, or as they are. */
export type Bytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Writes a file that was not there and that its owner alone can read. `synced`: it is on the disk when this is done, its name apart. */
export async function writeNew(file: string, bytes: Bytes, { synced }: { synced: boolean }): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    for await (const chunk of bytes) await writeAll(handle, chunk);
    if (synced) await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A disk without room as the store tells it, and every other failure as it is. */
export function fullOr(error: unknown): unknown {
  const isFull = error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
  return isFull ? new StoreError("full", { cause: error }) : error;
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at)).bytesWritten;
}
