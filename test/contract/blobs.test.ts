import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createLogger } from "../../server/src/ops/logger.js";
import type { BlobStore } from "../../server/src/ports.js";
import { createDiskBlobs } from "../../server/src/store/disk-blobs.js";
import { openS3Blobs } from "../../server/src/store/open-s3-blobs.js";
import { brokenBytes, bytesOf, chunks, textOf } from "../support/blobs.js";
import { startFakeS3 } from "../support/fake-s3.js";
import { tempFolder } from "../support/temp-store.js";

const HOUR = 3_600_000;
const name = { appId: "app", attachmentId: "id-xy" };

/** One implementation: stores over one place, as many nodes have them, and what lies there. */
interface Place extends AsyncDisposable {
  open(): Promise<BlobStore>;
  /** How many things there are of attachments, whole or not. */
  count(): number;
  /** Makes what is there a day old. */
  age(): void;
}

async function onDisk(): Promise<Place> {
  const folder = tempFolder();
  return {
    open: async () => createDiskBlobs(folder.path),
    count: () => filesBelow(join(folder.path, "attachments")),
    age: () => undefined,
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  };
}

async function onS3(): Promise<Place> {
  const s3 = await startFakeS3({ mostKeys: 2 });
  // Each node has a disk of its own.
  const folders: ReturnType<typeof tempFolder>[] = [];
  const options = { timeoutMs: 5_000, stallMs: 5_000, spareMs: HOUR, mark: "mine", logger: createLogger("silent") };
  return {
    open() {
      const folder = tempFolder();
      folders.push(folder);
      return openS3Blobs({ ...s3.settings, ...options, dataDir: folder.path });
    },
    count() {
      const held = folders.map(({ path }) => filesBelow(join(path, "spool")));
      return [...s3.objects.keys()].filter((key) => key !== "owner").length + held.reduce((sum, of) => sum + of, 0);
    },
    age: () => s3.age(24 * HOUR),
    async [Symbol.asyncDispose]() {
      await s3.close();
      for (const folder of folders) folder[Symbol.dispose]();
    },
  };
}

function filesBelow(path: string): number {
  if (!existsSync(path)) return 0;
  return readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;
}

describe.each([
  ["files on the disk", onDisk],
  ["objects on S3", onS3],
])("the bytes of attachments in %s", (_name, newPlace) => {
  let place: Place;
  let blobs: BlobStore;
  beforeEach(async () => {
    place = await newPlace();
    blobs = await place.open();
  });
  afterEach(() => place[Symbol.asyncDispose]());

  const original = async (end = 100) => await textOf(await blobs.read(name, "original", 0, end));
  const put = async (text: string, id = name) => {
    await blobs.receive(id, chunks(text), text.length);
    return await blobs.claim(id);
  };

  test("an upload lies apart until it is claimed; what is claimed is not changed by a later one", async () => {
    expect(await blobs.claim(name)).toBeUndefined();
    await blobs.receive(name, chunks("old"), 3);
    await blobs.receive(name, chunks("ne", "w"), 3);
    expect(await original()).toBeUndefined();
    expect(await blobs.size(name, "original")).toBeUndefined();
    expect([await blobs.claim(name), await blobs.claim(name)]).toEqual([3, 3]);
    await blobs.receive(name, chunks("later"), 5);
    expect(await original()).toBe("new");
    expect(await blobs.claim(name)).toBe(5);
    expect(await original()).toBe("later");
  });

  test("a part of them is read, as far as there is any", async () => {
    await put("0123456789");
    const part = async (start: number, end: number) => await textOf(await blobs.read(name, "original", start, end));
    expect([await part(0, 10), await part(1, 2), await part(8, 100)]).toEqual(["0123456789", "1", "89"]);
    expect([await part(1, 1), await part(10, 11)]).toEqual(["", ""]);
    expect(await blobs.read({ ...name, attachmentId: "other" }, "original", 0, 1)).toBeUndefined();
    expect(await blobs.read({ ...name, attachmentId: "other" }, "original", 0, 0)).toBeUndefined();
    expect(await blobs.read(name, "thumbnail", 0, 1)).toBeUndefined();
  });

  test("a megabyte comes back byte for byte, from another node too", async () => {
    const bytes = randomBytes(1_000_000);
    const pieces = (async function* () {
      for (let at = 0; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000);
    })();
    await blobs.receive(name, pieces, bytes.length);
    const other = await place.open();
    expect(await other.claim(name)).toBe(bytes.length);
    expect((await bytesOf(await other.read(name, "original", 0, bytes.length)))?.equals(bytes)).toBe(true);
    const part = await bytesOf(await blobs.read(name, "original", 500_000, 700_001));
    expect(part?.equals(bytes.subarray(500_000, 700_001))).toBe(true);
  });

  test("a thumbnail lies beside the original, and all of it goes at once", async () => {
    await put("large");
    await blobs.putThumbnail(name, Buffer.from("tiny"));
    await blobs.putThumbnail(name, Buffer.from("small"));
    await blobs.receive(name, chunks("late"), 4);
    expect([await blobs.size(name, "original"), await blobs.size(name, "thumbnail")]).toEqual([5, 5]);
    expect(await textOf(await blobs.read(name, "thumbnail", 0, 5))).toBe("small");
    expect(place.count()).toBe(3);
    await blobs.remove(name);
    await blobs.remove(name);
    expect(place.count()).toBe(0);
    expect([await blobs.size(name, "original"), await blobs.size(name, "thumbnail")]).toEqual([undefined, undefined]);
  });

  test("of bytes that end by an error nothing is left, nor is an earlier upload lost", async () => {
    await expect(blobs.receive(name, brokenBytes(), 5)).rejects.toThrow("gone");
    expect(place.count()).toBe(0);
    await blobs.receive(name, chunks("whole"), 5);
    await expect(blobs.receive(name, brokenBytes(), 5)).rejects.toThrow("gone");
    expect(place.count()).toBe(1);
    expect(await blobs.claim(name)).toBe(5);
    expect(await original()).toBe("whole");
  });

  test("more than this machine's disk has room for is refused before a byte is taken", async () => {
    let taken = false;
    const bytes = (async function* () {
      taken = true;
      yield Buffer.from("x");
    })();
    await expect(blobs.receive(name, bytes, Number.MAX_SAFE_INTEGER)).rejects.toMatchObject({ kind: "full" });
    expect(taken).toBe(false);
  });

  test("two nodes claim at once, and both have it", async () => {
    const nodes = [blobs, await place.open()];
    for (let round = 0; round < 5; round += 1) {
      await blobs.receive(name, chunks(`round ${round}`), 7);
      expect(await Promise.all(nodes.map((node) => node.claim(name)))).toEqual([7, 7]);
      expect(await original()).toBe(`round ${round}`);
    }
    expect(place.count()).toBe(1);
  });

  test("of uploads at the same time one is there, whole", async () => {
    const texts = ["first of them", "second as one", "third of them"];
    await Promise.all(texts.map((text) => blobs.receive(name, chunks(...text), text.length)));
    expect(await blobs.claim(name)).toBe(13);
    expect(texts).toContain(await original());
    expect(place.count()).toBe(1);
  });

  test("are each app's own", async () => {
    const other = { ...name, appId: "another" };
    await put("one");
    await put("another", other);
    await blobs.remove(name);
    expect(await textOf(await blobs.read(other, "original", 0, 100))).toBe("another");
  });

  test("are a file while something works on them", async () => {
    await put("as a file");
    expect(await blobs.withFile(name, async (path) => readFileSync(path, "utf8"))).toBe("as a file");
    const failing = blobs.withFile(name, async () => {
      throw new Error("no good");
    });
    await expect(failing).rejects.toThrow("no good");
    expect(place.count()).toBe(1);
    expect(await original()).toBe("as a file");
  });

  test("a sweep asks for the ids of each app, spares what is known or still being written, and counts", async () => {
    const ids = ["kept-1", "gone-1", "gone-2", "kept-3", "gone-3"];
    for (const attachmentId of ids) await put("x", { appId: "app", attachmentId });
    for (const attachmentId of ["kept-1", "gone-1"])
      await blobs.putThumbnail({ appId: "app", attachmentId }, Buffer.from("t"));
    await put("x", { appId: "other", attachmentId: "kept-1" });
    place.age();
    let finish: () => void = () => undefined;
    const slow = (async function* () {
      yield Buffer.from("x");
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    })();
    const writing = blobs.receive({ appId: "app", attachmentId: "kept-2" }, slow, 1);
    await expect.poll(() => place.count()).toBe(9);
    const asked: string[] = [];
    const known = async (appId: string, some: readonly string[]) => {
      asked.push(...some.map((id) => `${appId} ${id}`));
      return new Set(some.filter((id) => appId === "app" && id.startsWith("kept")));
    };
    expect(await blobs.sweep(known)).toBe(5);
    expect([...new Set(asked)].sort()).toEqual(
      expect.arrayContaining([...ids.map((id) => `app ${id}`), "other kept-1"].sort()),
    );
    finish();
    await writing;
    expect(await blobs.sweep(known)).toBe(0);
    expect(place.count()).toBe(4);
    expect(await blobs.claim({ appId: "app", attachmentId: "kept-2" })).toBe(1);
    expect(await blobs.size({ appId: "app", attachmentId: "kept-1" }, "thumbnail")).toBe(1);
  });

  test.each(["", "..", "../x", "a/b", "a\0b", "a.b", "x".repeat(129)])("the id %j leads nowhere", async (id) => {
    for (const bad of [
      { appId: "app", attachmentId: id },
      { appId: id, attachmentId: "x" },
    ]) {
      const calls = [
        async () => await blobs.receive(bad, chunks("x"), 1),
        async () => await blobs.claim(bad),
        async () => await blobs.putThumbnail(bad, Buffer.from("x")),
        async () => await blobs.read(bad, "original", 0, 1),
        async () => await blobs.size(bad, "thumbnail"),
        async () => await blobs.withFile(bad, async () => undefined),
        async () => await blobs.remove(bad),
      ];
      for (const call of calls) await expect(call()).rejects.toThrow("cannot be the name");
    }
    expect(place.count()).toBe(0);
  });
});
