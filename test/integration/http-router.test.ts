import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCors } from "../../server/src/http/cors.js";
import { createNotFound, createRouter, type RouterOptions } from "../../server/src/http/router.js";
import { loadStaticFiles, type StaticFiles } from "../../server/src/http/static-files.js";
import { createMetrics } from "../../server/src/ops/metrics.js";
import { type Call, connectH2, echo, errors, h1, h2, listen } from "./http-story.js";

describe("router", () => {
  const dir = mkdtempSync(join(tmpdir(), "parley-web-"));
  let files: StaticFiles;
  beforeAll(async () => {
    mkdirSync(join(dir, "web"));
    writeFileSync(join(dir, "secret.txt"), "secret");
    writeFileSync(join(dir, "web/index.html"), "<!doctype html><title>Parley</title>");
    files = await loadStaticFiles(join(dir, "web"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const serve = (given: Partial<RouterOptions> = {}, origins: string[] = []) =>
    listen(
      createRouter({
        rpc: createNotFound(errors),
        cors: createCors({
          origins,
          allowedMethods: ["POST", "GET"],
          allowedHeaders: ["Connect-Protocol-Version"],
          exposedHeaders: ["Grpc-Status"],
          maxAgeSeconds: 7200,
        }),
        files,
        descriptor: () => new Uint8Array([1, 2, 3]),
        metrics: createMetrics({ process: false }),
        notReady: async () => undefined,
        maxUrlBytes: 8 * 1024,
        errors,
        ...given,
      }),
    );

  test("healthz says that the process lives, readyz whether it may get work, over both protocols", async () => {
    let reason: string | undefined;
    const port = await serve({ notReady: async () => reason });
    expect(await h1(port, "/healthz")).toMatchObject({ status: 200, body: "ok" });
    expect(await h2(connectH2(port), "/healthz")).toMatchObject({ status: 200, body: "ok" });
    expect(await h1(port, "/healthz", { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
    expect(await h1(port, "/readyz")).toMatchObject({ status: 200, body: "ready" });
    reason = "draining";
    expect(await h2(connectH2(port), "/readyz?x=1")).toMatchObject({ status: 503, body: "draining" });
    expect((await h1(port, "/healthz")).status).toBe(200);
  });

  test("metrics are Prometheus text, for those who may read them", async () => {
    const port = await serve({ mayReadMetrics: (req) => req.headers.authorization === "Bearer o" });
    expect((await h1(port, "/metrics")).status).toBe(404);
    const { headers, body } = await h1(port, "/metrics", { headers: { authorization: "Bearer o" } });
    expect(headers["content-type"]).toMatch(/^text\/plain; version=/);
    expect(body).toContain("# HELP parley_rpc_total ");
  });

  test("the descriptor is given as bytes", async () => {
    const { headers, body } = await h2(connectH2(await serve()), "/descriptor.binpb");
    expect(headers["content-type"]).toBe("application/octet-stream");
    expect(body).toBe("\x01\x02\x03");
  });

  test("the page: index at /, revalidation by ETag and by date, HEAD", async () => {
    const port = await serve();
    const first = await h1(port, "/");
    expect(first).toMatchObject({ status: 200, body: expect.stringContaining("Parley") });
    expect(first.headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    const { etag = "", "last-modified": modified = "" } = first.headers;
    expect(await h1(port, "/", { headers: { "if-none-match": etag } })).toMatchObject({ status: 304, body: "" });
    expect((await h1(port, "/", { headers: { "if-modified-since": modified } })).status).toBe(304);
    const session = connectH2(port);
    const head = await h2(session, "/index.html", { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, body: "", headers: { "content-length": String(first.body.length) } });
  });

  test.each([
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/..\\secret.txt",
    "//etc/passwd",
    "/web/../../secret.txt",
  ])("%s leads nowhere", async (path) => {
    const port = await serve();
    for (const got of [await h1(port, path), await h2(connectH2(port), path)]) {
      expect(got).toMatchObject({ status: 404, body: expect.not.stringMatching(/^secret|root:/) });
    }
  });

  test("what is nothing else goes to RPC; its 404 tells procedures from pages", async () => {
    const port = await serve();
    expect(JSON.parse((await h1(port, "/nope")).body)).toMatchObject({ code: "not_found" });
    const call = await h1(port, "/parley.v1.NoService/Call", { method: "POST", body: "{}" });
    expect(call).toMatchObject({ status: 404, body: expect.stringContaining('"unimplemented"') });
    const rpc = await serve({ rpc: echo, prefixes: { "/attachments/": (_req, res) => void res.end("attachment") } });
    expect((await h1(rpc, "/", { method: "POST" })).body).toBe("1.1 POST / 0");
    expect((await h1(rpc, "/parley.v1.X/Get?message=%7B%7D")).body).toContain("GET /parley.v1.X/Get");
    expect((await h1(rpc, "/attachments/a", { method: "PUT" })).body).toBe("attachment");
    expect((await h1(rpc, "/constructor")).body).toContain("GET /constructor");
  });

  test("a URL at the limit passes, one byte more is 414", async () => {
    const port = await serve({ rpc: echo });
    expect((await h1(port, `/${"a".repeat(8 * 1024 - 1)}`)).status).toBe(200);
    expect((await h1(port, `/${"a".repeat(8 * 1024)}`)).status).toBe(414);
  });

  describe("CORS", () => {
    const ours = "https://chat.example.org";
    const preflight = (origin: string): Call => ({
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
    });

    test("a listed origin may call, with our headers, without credentials", async () => {
      const port = await serve({}, [ours]);
      const { status, headers } = await h1(port, "/parley.v1.X/Y", preflight(ours));
      expect(status).toBe(204);
      expect(headers).toMatchObject({
        "access-control-allow-origin": ours,
        "access-control-allow-methods": "POST, GET, HEAD, PUT",
        "access-control-allow-headers":
          "Connect-Protocol-Version, authorization, parley-acting-user, x-request-id, range, if-range, if-none-match",
        "access-control-max-age": "7200",
        vary: "origin",
      });
      expect(headers).not.toHaveProperty("access-control-allow-credentials");
      const call = await h2(connectH2(port), "/healthz", { headers: { origin: ours } });
      expect(call.headers).toMatchObject({
        "access-control-allow-origin": ours,
        "access-control-expose-headers": "Grpc-Status, x-request-id, content-disposition, content-range, etag",
      });
    });

    test.each(["https://evil.example", "null", "https://chat.example.org.evil.example", "http://chat.example.org"])(
      "%s is not listed and is told nothing",
      async (origin) => {
        const port = await serve({}, [ours]);
        for (const call of [preflight(origin), { headers: { origin } }]) {
          const { headers } = await h1(port, "/healthz", call);
          expect(Object.keys(headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
          expect(headers.vary).toBe("origin");
        }
      },
    );

    test("* lets every origin call", async () => {
      const port = await serve({}, ["*"]);
      const { headers } = await h1(port, "/healthz", preflight("https://anyone.example"));
      expect(headers["access-control-allow-origin"]).toBe("*");
    });
  });
});
