import { readdirSync, statSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { chunks } from "../../../test/support/blobs.js";
import { tempFolder } from "../../../test/support/temp-store.js";
import { blobFile, createDiskBlobs } from "./disk-blobs.js";

const name = { appId: "app", attachmentId: "id-xy" };

const files = (path: string) => readdirSync(join(path, "attachments"), { recursive: true }).map(String).sort();

describe("the bytes of attachments on the disk", () => {
  test("lie in a folder for each app and end of an id, which the owner alone can read", async () => {
    using folder = tempFolder();
    const blobs = createDiskBlobs(folder.path);
    await blobs.receive(name, chunks("new"), 3);
    await blobs.claim(name);
    await blobs.receive(name, chunks("later"), 5);
    await blobs.putThumbnail(name, Buffer.from("small"));
    expect(files(folder.path)).toEqual([
      "app",
      "app/xy",
      "app/xy/id-xy",
      "app/xy/id-xy.thumbnail",
      "app/xy/id-xy.upload",
    ]);
    expect(statSync(join(folder.path, "attachments/app/xy/id-xy")).mode & 0o077).toBe(0);
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

  test("a sweep spares the draft that is being written, and takes those that a crash has left", async () => {
    using folder = tempFolder();
    const blobs = createDiskBlobs(folder.path);
    let finish: () => void = () => undefined;
    const slow = (async function* () {
      yield Buffer.from("x");
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    })();
    const writing = blobs.receive(name, slow, 1);
    const drafts = () => files(folder.path).filter((file) => file.endsWith(".draft"));
    await expect.poll(drafts).toHaveLength(1);
    writeFileSync(join(folder.path, "attachments/app/xy/id-xy.7.draft"), "left");
    const known = async (_appId: string, ids: readonly string[]) => new Set(ids);
    expect(await blobs.sweep(known)).toBe(1);
    finish();
    await writing;
    expect(files(folder.path)).toEqual(["app", "app/xy", "app/xy/id-xy.upload"]);
  });

  test.each(["", "..", "../x", "a/b", "a\0b", "a.b", "x".repeat(129)])("the id %j is never a file", (attachmentId) => {
    expect(() => blobFile("/data", { appId: "app", attachmentId }, "original")).toThrow("cannot be the name");
    expect(() => blobFile("/data", { appId: attachmentId, attachmentId: "x" }, "upload")).toThrow("cannot be the name");
  });
});
