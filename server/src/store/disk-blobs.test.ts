import { readdirSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { tempFolder } from "../../../test/support/temp-store.js";
import { blobFile, createDiskBlobs } from "./disk-blobs.js";

const name = { appId: "app", attachmentId: "id-xy" };

async function* chunks(...all: string[]) {
  for (const chunk of all) yield Buffer.from(chunk);
}

async function textOf(bytes: AsyncIterable<Uint8Array> | undefined): Promise<string | undefined> {
  if (bytes === undefined) return undefined;
  const all: Uint8Array[] = [];
  for await (const chunk of bytes) all.push(chunk);
  return Buffer.concat(all).toString();
}

const files = (path: string) => readdirSync(join(path, "attachments"), { recursive: true }).map(String).sort();

describe("the bytes of attachments on the disk", () => {
  test("an upload lies apart until it is claimed; what is claimed is not changed by a later one", async () => {
    using folder = tempFolder();
    const blobs = createDiskBlobs(folder.path);
    expect(await blobs.claim(name)).toBeUndefined();
    await blobs.receive(name, chunks("old"), 3);
    await blobs.receive(name, chunks("ne", "w"), 3);
    expect(await textOf(await blobs.read(name, "original", 0, 3))).toBeUndefined();
    expect([await blobs.claim(name), await blobs.claim(name)]).toEqual([3, 3]);
    await blobs.receive(name, chunks("later"), 5);
    expect(await textOf(await blobs.read(name, "original", 0, 3))).toBe("new");
    expect(await textOf(await blobs.read(name, "original", 1, 2))).toBe("e");
    expect(await textOf(await blobs.read(name, "original", 1, 1))).toBe("");
    await blobs.putThumbnail(name, Buffer.from("small"));
    expect([await blobs.size(name, "original"), await blobs.size(name, "thumbnail")]).toEqual([3, 5]);
    expect(files(folder.path)).toEqual([
      "app",
      "app/xy",
      "app/xy/id-xy",
      "app/xy/id-xy.thumbnail",
      "app/xy/id-xy.upload",
    ]);
    expect(statSync(join(folder.path, "attachments/app/xy/id-xy")).mode & 0o077).toBe(0);
    await blobs.remove(name);
    await blobs.remove(name);
    expect(files(folder.path)).toEqual(["app", "app/xy"]);
  });

  test("is on the disk under its name before it is told of: the file first, then its folder", async () => {
    using folder = tempFolder();
    const blobs = createDiskBlobs(folder.path);
    const handle = await open(folder.path, "r");
    const sync = vi.spyOn(Object.getPrototypeOf(handle) as FileHandle, "sync");
    const synced: string[][] = [];
    sync.mockImplementation(async () => void synced.push(files(folder.path).filter((file) => file.includes("id-xy"))));
    await blobs.receive(name, chunks("x"), 1);
    expect(synced.splice(0)).toEqual([[expect.stringMatching(/\.draft$/)], ["app/xy/id-xy.upload"]]);
    await blobs.claim(name);
    expect(synced.splice(0)).toEqual([["app/xy/id-xy"]]);
    sync.mockRestore();
    await handle.close();
  });

  test("of bytes that end by an error nothing is left, not of an earlier upload either lost", async () => {
    using folder = tempFolder();
    const blobs = createDiskBlobs(folder.path);
    await blobs.receive(name, chunks("whole"), 5);
    const broken = (async function* () {
      yield Buffer.from("ha");
      throw new Error("gone");
    })();
    await expect(blobs.receive(name, broken, 5)).rejects.toThrow("gone");
    expect(files(folder.path)).toEqual(["app", "app/xy", "app/xy/id-xy.upload"]);
    expect(await blobs.claim(name)).toBe(5);
  });

  test("more than the disk has room for is refused before a byte is taken", async () => {
    using folder = tempFolder();
    const blobs = createDiskBlobs(folder.path);
    let taken = false;
    const bytes = (async function* () {
      taken = true;
      yield Buffer.from("x");
    })();
    await expect(blobs.receive(name, bytes, Number.MAX_SAFE_INTEGER)).rejects.toMatchObject({ kind: "full" });
    expect(taken).toBe(false);
  });

  test("a sweep asks for the ids of each app and spares what is being written", async () => {
    using folder = tempFolder();
    const blobs = createDiskBlobs(folder.path);
    for (const attachmentId of ["kept-1", "gone-1", "gone-2"]) {
      await blobs.receive({ appId: "app", attachmentId }, chunks("x"), 1);
      await blobs.claim({ appId: "app", attachmentId });
    }
    let finish: () => void = () => undefined;
    const slow = (async function* () {
      yield Buffer.from("x");
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    })();
    const writing = blobs.receive({ appId: "app", attachmentId: "kept-2" }, slow, 1);
    await expect.poll(() => files(folder.path).some((file) => file.endsWith(".draft"))).toBe(true);
    const known = async (appId: string, ids: readonly string[]) =>
      new Set(ids.filter((id) => appId === "app" && id.startsWith("kept")));
    expect(await blobs.sweep(known)).toBe(2);
    finish();
    await writing;
    expect(files(folder.path)).toEqual(["app", "app/-1", "app/-1/kept-1", "app/-2", "app/-2/kept-2.upload"]);
  });

  test.each(["", "..", "../x", "a/b", "a\0b", "a.b", "x".repeat(129)])("the id %j is never a file", (attachmentId) => {
    expect(() => blobFile("/data", { appId: "app", attachmentId }, "original")).toThrow("cannot be the name");
    expect(() => blobFile("/data", { appId: attachmentId, attachmentId: "x" }, "upload")).toThrow("cannot be the name");
  });
});
