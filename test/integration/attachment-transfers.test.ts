import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, refusal, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { must, newPair } from "../support/messaging.js";
import { freePort } from "../support/process-server.js";
import { beginUpload, filesOf, png, putBytes, upload } from "../support/uploads.js";

const STALL_MS = 1000;
const STALL_BYTES = 1000;

let server: TestServer;
let session: http2.ClientHttp2Session;
let tom: TestUser;
beforeAll(async () => {
  server = await startTestServer({
    limits: { uploadStallBytes: STALL_BYTES },
    times: { requestMs: STALL_MS, uploadStallMs: STALL_MS, downloadStallMs: STALL_MS },
    settings: { corsOrigins: ["https://chat.example.org"] },
  });
  [tom] = await newPair(server);
  session = http2.connect(server.url);
});
afterAll(async () => {
  session.destroy();
  await server.close();
});

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: Buffer;
}

interface Call {
  method?: string;
  headers?: Record<string, string>;
  /** Writes the body; it is ended by itself when this is absent. */
  body?: (out: { write(bytes: Uint8Array): unknown; end(): unknown }) => unknown;
}

type Protocol = (url: string, call?: Call) => Promise<Answer>;

const over1: Protocol = (url, { method = "GET", headers = {}, body } = {}) =>
  new Promise((resolve, reject) => {
    const req = http.request(url, { method, headers, agent: false });
    req.on("error", reject).on("response", async (res) => {
      resolve({ status: res.statusCode ?? 0, headers: res.headers, body: await whole(res) });
    });
    if (body === undefined) req.end();
    else body(req);
  });

const over2: Protocol = async (url, { method = "GET", headers = {}, body } = {}) => {
  const path = url.slice(server.url.length);
  const stream = session.request({ ":path": path, ":method": method, ...headers }, { endStream: body === undefined });
  const response = once(stream, "response") as Promise<[Record<string, unknown>]>;
  body?.(stream);
  const [head] = await response;
  return { status: Number(head[":status"]), headers: head, body: await whole(stream) };
};

async function whole(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const reasonIn = ({ body }: Answer): string => /ERROR_REASON_(\w+)/.exec(body.toString())?.[1] ?? "";
const put = (bytes: Uint8Array): Call => ({
  method: "PUT",
  body(out) {
    out.write(bytes);
    out.end();
  },
});

describe.each([
  ["HTTP/1.1", over1],
  ["HTTP/2", over2],
])("the bytes of an attachment over %s", (_name, call) => {
  const bytes = randomBytes(300_000);

  test("go up and come down, whole and in parts", async () => {
    const { attachmentId, uploadUrl } = await beginUpload(tom, bytes.length);
    expect((await call(uploadUrl, put(bytes))).status).toBe(204);
    const { url } = must((await tom.rpc.attachment.completeUpload({ attachmentId })).attachment);
    const got = await call(url);
    expect(got).toMatchObject({ status: 200, headers: { "content-length": "300000", "accept-ranges": "bytes" } });
    expect(got.body.equals(bytes)).toBe(true);
    const { etag } = got.headers as { etag: string };
    expect(etag).toMatch(/^"[\w-]+"$/);
    const ranges = {
      "bytes=0-0": [0, 1],
      "bytes=299999-": [299_999, 300_000],
      "bytes=-5": [299_995, 300_000],
    } as const;
    for (const [range, [start, end]] of Object.entries(ranges)) {
      const part = await call(url, { headers: { range } });
      expect(part).toMatchObject({ status: 206, headers: { "content-range": `bytes ${start}-${end - 1}/300000` } });
      expect(part.body.equals(bytes.subarray(start, end))).toBe(true);
    }
    const beyond = await call(url, { headers: { range: "bytes=300000-" } });
    expect(beyond).toMatchObject({ status: 416, headers: { "content-range": "bytes */300000" } });
    const many = await call(url, { headers: { range: `bytes=${"0-1,".repeat(1000)}5-6` } });
    expect([many.status, many.body.length]).toEqual([200, 300_000]);
    const same = await call(url, { headers: { range: "bytes=0-9", "if-range": etag } });
    expect([same.status, same.body.length]).toEqual([206, 10]);
    const other = await call(url, { headers: { range: "bytes=0-9", "if-range": '"another"' } });
    expect([other.status, other.body.length]).toEqual([200, 300_000]);
    expect(await call(url, { headers: { "if-none-match": etag } })).toMatchObject({
      status: 304,
      body: Buffer.alloc(0),
    });
    const head = await call(url, { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, headers: { "content-length": "300000", etag }, body: Buffer.alloc(0) });
  });

  test("that are too many are cut while they come", async () => {
    const { uploadUrl } = await beginUpload(tom, 1000);
    const answer = await call(uploadUrl, { method: "PUT", body: (out) => out.write(Buffer.alloc(1001)) });
    expect([answer.status, reasonIn(answer)]).toEqual([413, "TOO_LARGE"]);
    expect(answer.body.toString()).toContain('"limit":"1000"');
  });

  test("may come slowly for as long as they keep coming", async () => {
    const { attachmentId, uploadUrl } = await beginUpload(tom, 12 * STALL_BYTES);
    const answer = await call(uploadUrl, {
      method: "PUT",
      async body(out) {
        // Three times as long as any request may take; the passing of time is the point here.
        for (let at = 0; at < 12; at += 1) {
          out.write(Buffer.alloc(STALL_BYTES));
          await delay(STALL_MS / 4);
        }
        out.end();
      },
    });
    expect(answer.status).toBe(204);
    expect((await tom.rpc.attachment.completeUpload({ attachmentId })).attachment?.sizeBytes).toBe(12 * STALL_BYTES);
  });

  test("are answered with other methods than these by 405", async () => {
    const { url } = await upload(tom, Buffer.from("x"));
    expect(await call(url, { method: "DELETE" })).toMatchObject({ status: 405, headers: { allow: "GET, HEAD, PUT" } });
  });
});

describe("an upload", () => {
  test("that trickles is cut in HTTP/1.1 and told so", async () => {
    const { uploadUrl } = await beginUpload(tom, 10_000);
    const began = performance.now();
    let drip: NodeJS.Timeout | undefined;
    const answer = await over1(uploadUrl, {
      method: "PUT",
      headers: { "content-length": "10000" },
      body(out) {
        drip = setInterval(() => out.write(Buffer.alloc(10)), 20);
      },
    });
    clearInterval(drip);
    expect([answer.status, reasonIn(answer)]).toEqual([408, "DEADLINE_EXCEEDED"]);
    expect(performance.now() - began).toBeLessThan(20 * STALL_MS);
  });

  test("that trickles is reset in HTTP/2, its neighbours are not", async () => {
    const { uploadUrl } = await beginUpload(tom, 10_000);
    const stream = session.request(
      { ":path": uploadUrl.slice(server.url.length), ":method": "PUT" },
      { endStream: false },
    );
    stream.on("error", () => undefined);
    const drip = setInterval(() => stream.write(Buffer.alloc(10)), 20);
    await once(stream, "close");
    clearInterval(drip);
    const { url } = await upload(tom, Buffer.from("x"));
    expect((await over2(url)).status).toBe(200);
  });

  test("whose connection is lost leaves nothing, and a later one takes the place of one that hangs", async () => {
    const { attachmentId, uploadUrl } = await beginUpload(tom, 4000);
    const hanging = http.request(uploadUrl, { method: "PUT", agent: false, headers: { "content-length": "4000" } });
    const told = new Promise<http.IncomingMessage>((resolve) => hanging.once("response", resolve));
    hanging.on("error", () => undefined);
    hanging.write(Buffer.alloc(1500));
    await eventually(() => expect(filesOf(server.dataDir, attachmentId)).toHaveLength(1));
    const second = http.request(uploadUrl, { method: "PUT", agent: false, headers: { "content-length": "4000" } });
    second.on("error", () => undefined);
    second.write(Buffer.alloc(1500));
    expect((await told).statusCode).toBe(499);
    second.destroy();
    await eventually(() => expect(filesOf(server.dataDir, attachmentId)).toEqual([]));
    expect(await refusal(tom.rpc.attachment.completeUpload({ attachmentId }))).toMatchObject({
      reason: "UPLOAD_INCOMPLETE",
    });
    expect((await putBytes(uploadUrl, Buffer.alloc(4000))).status).toBe(204);
  });
});

describe("a download", () => {
  test("whose reader takes nothing ends, and its file is closed", async () => {
    const { url } = await upload(tom, randomBytes(8 * 1024 * 1024));
    const open = openFiles();
    const req = http.get(url, { agent: false });
    const [response] = (await once(req, "response")) as [http.IncomingMessage];
    response.on("error", () => undefined).pause();
    await eventually(() => expect(openFiles()).toBe(open + 1));
    await eventually(() => expect(openFiles()).toBe(open), 20_000);
    req.destroy();
  });

  test("and an upload work from pages of the origins listed, and of no other", async () => {
    const { url } = await upload(tom, png(1, 1), { mimeType: "image/png" });
    const { uploadUrl } = await beginUpload(tom, 1);
    const preflight = await over1(uploadUrl, {
      method: "OPTIONS",
      headers: {
        origin: "https://chat.example.org",
        "access-control-request-method": "PUT",
        "access-control-request-headers": "content-type",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers["access-control-allow-methods"]).toContain("PUT");
    expect(String(preflight.headers["access-control-allow-headers"]).toLowerCase()).toContain("content-type");
    const from = async (origin: string) =>
      (await over1(url, { headers: { origin } })).headers["access-control-allow-origin"];
    expect([await from("https://chat.example.org"), await from("https://evil.example.org")]).toEqual([
      "https://chat.example.org",
      undefined,
    ]);
  });
});

/** The files of attachments that this process, which is the server's too, holds open. */
function openFiles(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${server.dataDir}/attachments/`);
    } catch {
      return false;
    }
  }).length;
}

describe("the addresses", () => {
  test("lead to the host that the caller came by, or to the public one", async () => {
    const call = async (at: TestServer, user: TestUser, headers: Record<string, string>) => {
      const answer = await over1(`${at.url}/parley.v1.AttachmentService/CreateUpload`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${user.token}`, ...headers },
        body(out) {
          out.write(Buffer.from(JSON.stringify({ mimeType: "a/b", sizeBytes: 1 })));
          out.end();
        },
      });
      return new URL((JSON.parse(answer.body.toString()) as { uploadUrl: string }).uploadUrl).origin;
    };
    expect(await call(server, tom, { host: "chat.example.org" })).toBe("http://chat.example.org");
    const proxied = { host: "chat.example.org", "x-forwarded-proto": "https" };
    expect(await call(server, tom, proxied)).toBe("https://chat.example.org");
    const port = await freePort();
    const other = await startTestServer({ settings: { port, publicUrl: "https://public.example.org" } });
    try {
      const near = { ...other, url: `http://127.0.0.1:${port}` };
      const [user] = await newPair(near);
      expect(await call(near, user, {})).toBe("https://public.example.org");
    } finally {
      await other.close();
    }
  });
});
