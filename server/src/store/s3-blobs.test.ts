import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { brokenBytes, chunks, textOf } from "../../../test/support/blobs.js";
import { type FakeS3, type S3Request, type S3Trouble, startFakeS3 } from "../../../test/support/fake-s3.js";
import { freePort } from "../../../test/support/process-server.js";
import { tempFolder } from "../../../test/support/temp-store.js";
import { createLogger } from "../ops/logger.js";
import type { BlobStore } from "../ports.js";
import { type OpenS3BlobsOptions, openS3Blobs } from "./open-s3-blobs.js";
import { s3Key } from "./s3-blobs.js";
import { createS3Objects } from "./s3-objects.js";

const name = { appId: "app", attachmentId: "id-xy" };
const [UPLOAD, ORIGINAL] = ["uploads/app/xy/id-xy", "attachments/app/xy/id-xy"];
const SPARE_MS = 10_000;
/** The store tells the time in whole seconds. */
const OLD_MS = SPARE_MS + 1000;
const SHORT_MS = 300;

let s3: FakeS3;
let folder: ReturnType<typeof tempFolder>;
let log: string;
let blobs: BlobStore;
beforeEach(async () => {
  [s3, folder, log] = [await startFakeS3({ mostKeys: 3 }), tempFolder(), ""];
  blobs = await open();
});
afterEach(async () => {
  await s3.close();
  folder[Symbol.dispose]();
});

async function open(options: Partial<OpenS3BlobsOptions> = {}): Promise<BlobStore> {
  const logger = createLogger("trace", {
    write(line) {
      log += line;
    },
  });
  const times = { timeoutMs: 5000, stallMs: 5000, spareMs: SPARE_MS, retryMs: 1 };
  return await openS3Blobs({ ...s3.settings, ...times, dataDir: folder.path, mark: "mine", logger, ...options });
}

/** Lets the next requests that fit go wrong, one trouble each. */
function trouble(fits: (request: S3Request) => boolean, ...troubles: S3Trouble[]): void {
  s3.script((request) => (fits(request) ? troubles.shift() : undefined));
}

const isPut = ({ method, copyFrom }: S3Request) => method === "PUT" && copyFrom === undefined;
const isCopy = ({ copyFrom }: S3Request) => copyFrom !== undefined;
const isGet = ({ method }: S3Request) => method === "GET";
const isDelete = ({ method }: S3Request) => method === "DELETE";
const busy = { name: "StoreError", kind: "busy" };
const SLOW_DOWN = { status: 503, code: "SlowDown" };
const INTERNAL = { status: 500, code: "InternalError" };
const put = async (text = "text") => {
  await blobs.receive(name, chunks(text), text.length);
  return await blobs.claim(name);
};
const stored = (key: string) => s3.objects.get(key)?.body.toString();
const held = () => (existsSync(join(folder.path, "spool")) ? readdirSync(join(folder.path, "spool")) : []);

describe("a store that is in trouble", () => {
  test.each<[string, S3Trouble[]]>([
    ["is busy for a moment", [SLOW_DOWN, INTERNAL, { status: 429, code: "TooManyRequests" }]],
    ["breaks a connection that lay idle", ["reset"]],
    ["does what it is asked and does not say so", ["cut"]],
  ])("that %s is asked again with the same bytes", async (_what, troubles) => {
    trouble(isPut, ...troubles);
    await blobs.receive(name, chunks("te", "xt"), 4);
    expect(stored(UPLOAD)).toBe("text");
    expect(held()).toEqual([]);
    for (const fits of [isCopy, isDelete]) {
      await blobs.receive(name, chunks("text"), 4);
      trouble(fits, ...troubles);
      expect(await blobs.claim(name)).toBe(4);
    }
    trouble(isGet, ...troubles.filter((each) => each !== "cut"));
    expect(await textOf(await blobs.read(name, "original", 0, 4))).toBe("text");
  });

  test("that stays busy, breaks connections or never answers can be asked again later", async () => {
    blobs = await open({ timeoutMs: SHORT_MS });
    for (const each of [SLOW_DOWN, "reset", "hang"] as const) {
      s3.script(() => each);
      const calls = [
        blobs.receive(name, chunks("text"), 4),
        blobs.claim(name),
        blobs.read(name, "original", 0, 4),
        blobs.remove(name),
        blobs.sweep(async () => new Set()),
      ];
      for (const call of await Promise.allSettled(calls)) expect(call).toMatchObject({ reason: busy });
      expect(held()).toEqual([]);
    }
    expect(log).toContain("the store of attachments failed");
    s3.script(() => undefined);
    expect(await put()).toBe(4);
  });

  test("that has no room says so; what it refuses for good is told by its name", async () => {
    s3.script(() => ({ status: 507, code: "XMinioStorageFull" }));
    await expect(blobs.receive(name, chunks("text"), 4)).rejects.toMatchObject({ name: "StoreError", kind: "full" });
    s3.script(() => ({ status: 403, code: "AccessDenied" }));
    await expect(blobs.receive(name, chunks("text"), 4)).rejects.toThrow(`PUT /${UPLOAD}: 403 AccessDenied`);
  });

  test("ends a download in the middle by an error, whether it breaks off or stalls", async () => {
    blobs = await open({ stallMs: SHORT_MS });
    await put("a text of some length");
    for (const each of ["cut", "stall"] as const) {
      trouble(isGet, each);
      const bytes = await blobs.read(name, "original", 0, 21);
      await expect(textOf(bytes)).rejects.toMatchObject(busy);
    }
    trouble(isGet, "cut");
    await expect(blobs.withFile(name, async () => "never")).rejects.toMatchObject(busy);
    expect(held()).toEqual([]);
  });

  test("loses no connection to readers who stop early, or never begin", async () => {
    blobs = await open({ stallMs: SHORT_MS });
    await put("x".repeat(8_000_000));
    for await (const chunk of (await blobs.read(name, "original", 0, 8_000_000)) ?? []) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await blobs.read(name, "original", 0, 8_000_000);
    await expect.poll(() => s3.busyConnections).toBe(0);
  });
});

describe("a claim", () => {
  test("that a crash has ended between the copy and the removal is made again", async () => {
    await blobs.receive(name, chunks("text"), 4);
    s3.script((request) => (isDelete(request) ? INTERNAL : undefined));
    await expect(blobs.claim(name)).rejects.toMatchObject(busy);
    expect([stored(UPLOAD), stored(ORIGINAL)]).toEqual(["text", "text"]);
    s3.script(() => undefined);
    expect([await blobs.claim(name), await blobs.claim(name)]).toEqual([4, 4]);
    expect([stored(UPLOAD), stored(ORIGINAL)]).toEqual([undefined, "text"]);
  });

  test("takes the upload that is there when it copies, not one that it saw before", async () => {
    await blobs.receive(name, chunks("first"), 5);
    const other = { ...name, attachmentId: "other-xy" };
    await blobs.receive(other, chunks("later one"), 9);
    const later = s3.objects.get("uploads/app/xy/other-xy");
    let copies = 0;
    s3.script((request) => {
      if (isCopy(request) && copies++ === 0 && later !== undefined) s3.objects.set(UPLOAD, later);
      return undefined;
    });
    expect([await blobs.claim(name), copies]).toEqual([9, 2]);
    expect([stored(UPLOAD), stored(ORIGINAL)]).toEqual([undefined, "later one"]);
  });

  test("that fails late, in an answer that began well, leaves the upload where it is", async () => {
    await blobs.receive(name, chunks("text"), 4);
    trouble(isCopy, "late_failure");
    await expect(blobs.claim(name)).rejects.toMatchObject(busy);
    expect([stored(UPLOAD), stored(ORIGINAL)]).toEqual(["text", undefined]);
  });
});

describe("addresses of the store itself", () => {
  const PUT = { sizeBytes: 4, contentType: "text/html", lifeMs: 60_000 };
  const GET = {
    contentType: "audio/ogg; codecs=opus",
    disposition: "attachment; filename*=UTF-8''a%20b+c",
    lifeMs: 60_000,
  };
  const direct = () => {
    if (blobs.direct === undefined) throw new Error("no addresses");
    return blobs.direct;
  };
  const tryPut = async (url: string, body: string, type = "text/html") =>
    (await fetch(url, { method: "PUT", body, headers: { "content-type": type } })).status;
  beforeEach(async () => {
    blobs = await open({ publicUrl: s3.settings.endpoint });
  });

  test("are given only where clients may go there", async () => {
    expect((await open()).direct).toBeUndefined();
    const url = await direct().putAddress(name, PUT);
    expect(url.startsWith(`${s3.settings.endpoint.href}parley-test/uploads/`)).toBe(true);
    expect(url).not.toContain(s3.settings.secretAccessKey);
  });

  test("take exactly the bytes that were declared, to the upload alone", async () => {
    const url = await direct().putAddress(name, PUT);
    expect([await tryPut(url, "12345"), await tryPut(url, "123"), await tryPut(url, "1234", "a/b")]).toEqual([
      403, 403, 403,
    ]);
    expect(await tryPut(url.replace("uploads", "attachments"), "1234")).toBe(403);
    expect(await tryPut(url.replace("id-xy", "id-xz"), "1234")).toBe(403);
    expect((await fetch(url)).status).toBe(403);
    expect(await tryPut(url, "1234")).toBe(200);
    expect(await blobs.claim(name)).toBe(4);
    // What is put after the claim lies apart, and a sweep takes it away.
    expect(await tryPut(url, "late")).toBe(200);
    expect([stored(ORIGINAL), stored(UPLOAD)]).toEqual(["1234", "late"]);
    s3.age(OLD_MS);
    expect(await blobs.sweep(async (_appId, ids) => new Set(ids))).toBe(1);
    expect([stored(ORIGINAL), stored(UPLOAD)]).toEqual(["1234", undefined]);
  });

  test("give what was claimed, as what it is served as, in parts too", async () => {
    await tryPut(await direct().putAddress(name, PUT), "1234");
    await blobs.claim(name);
    expect(s3.objects.get(ORIGINAL)?.contentType).toBe("application/octet-stream");
    const url = await direct().getAddress(name, "original", GET);
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([200, "1234"]);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": GET.contentType,
      "content-disposition": GET.disposition,
      "cache-control": "private, max-age=60",
    });
    const part = await fetch(url, { headers: { range: "bytes=1-2" } });
    expect([part.status, await part.text()]).toEqual([206, "23"]);
    for (const other of [url.replace("audio", "text"), url.replace("max-age%3D60", "max-age%3D61"), `${url}0`])
      expect((await fetch(other)).status).toBe(403);
    expect((await fetch(url, { method: "PUT", body: "evil" })).status).toBe(403);
  });

  test("end", async () => {
    const url = await direct().getAddress(name, "original", { ...GET, lifeMs: 1 });
    await put();
    await expect.poll(async () => (await fetch(url)).status, { timeout: 4000 }).toBe(403);
  });
});

describe("a sweep", () => {
  test("goes through all pages, spares what is young, and leaves alone what is not its own", async () => {
    const foreign = ["owner", "attachments/readme.txt", "attachments/app/xy/id.upload.odd", "elsewhere/app/xy/id"];
    for (const key of foreign.slice(1))
      s3.objects.set(key, { body: Buffer.from("x"), contentType: "", etag: "", modifiedMs: 0 });
    for (let each = 0; each < 10; each += 1) {
      const attachmentId = `id-${each}`;
      await blobs.receive({ appId: each < 5 ? "a" : "b", attachmentId }, chunks("x"), 1);
      await blobs.claim({ appId: each < 5 ? "a" : "b", attachmentId });
    }
    await blobs.receive({ appId: "a", attachmentId: "old" }, chunks("x"), 1);
    s3.age(OLD_MS);
    await put("young");
    const known = async (appId: string) => new Set(appId === "a" ? ["id-0"] : ["id-9"]);
    expect(await blobs.sweep(known)).toBe(9);
    expect([...s3.objects.keys()].sort()).toEqual(
      [...foreign, ORIGINAL, s3Key({ appId: "a", attachmentId: "id-0" }, "original"), "attachments/b/-9/id-9"].sort(),
    );
  });
});

describe("a start", () => {
  test("leaves nothing in the bucket but whose it is, and takes away what a crash left on this machine", async () => {
    expect([...s3.objects.keys()]).toEqual(["owner"]);
    mkdirSync(join(folder.path, "spool"), { recursive: true });
    writeFileSync(join(folder.path, "spool/3"), "left");
    await open();
    expect(held()).toEqual([]);
    await expect(blobs.receive(name, brokenBytes(), 5)).rejects.toThrow("gone");
    expect([held(), [...s3.objects.keys()]]).toEqual([[], ["owner"]]);
  });

  test("is refused in plain words when the bucket cannot be used, without the secret", async () => {
    const port = await freePort();
    const wrong: [Partial<OpenS3BlobsOptions>, RegExp, boolean][] = [
      [{ bucket: "another" }, /PARLEY_S3_BUCKET, another, .*404 NoSuchBucket/, true],
      [{ secretAccessKey: "wrong-secret" }, /PARLEY_S3_BUCKET.*403 SignatureDoesNotMatch/, true],
      [{ accessKeyId: "nobody" }, /403 InvalidAccessKeyId/, true],
      [{ region: "elsewhere" }, /400 AuthorizationHeaderMalformed/, true],
      [{ endpoint: new URL(`http://127.0.0.1:${port}`) }, /PARLEY_S3_ENDPOINT.*cannot be had.*ECONNREFUSED/, false],
      [{ mark: "another's" }, /another Parley/, true],
    ];
    for (const [options, message, final] of wrong) {
      const failure = await open(options).catch((error: unknown) => error);
      expect(failure).toMatchObject({ name: "S3Error", final, message: expect.stringMatching(message) });
      expect(`${(failure as Error).message}${log}`).not.toMatch(/wrong-secret|test\/secret\+key/);
    }
  });

  test.each(["list", "read", "remove"])("is refused when the key may not %s", async (what) => {
    s3.script(({ method, key }) => {
      const doing = method === "DELETE" ? "remove" : method === "GET" ? (key === "" ? "list" : "read") : "write";
      return doing === what ? { status: 403, code: "AccessDenied" } : undefined;
    });
    await expect(open()).rejects.toThrow("403 AccessDenied");
  });

  test("finds a bucket that is named by its host", async () => {
    // Only the address: hosts of that kind are not to be had here.
    const endpoint = new URL("https://parley-test.s3.example.org/");
    const { address } = createS3Objects({
      ...s3.settings,
      endpoint,
      timeoutMs: 1,
      stallMs: 1,
      logger: createLogger("silent"),
    });
    expect(await address("GET", "a/b", { lifeMs: 1000 })).toMatch(/^https:\/\/parley-test\.s3\.example\.org\/a\/b\?/);
  });
});
