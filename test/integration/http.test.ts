import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createCors } from "../../server/src/http/cors.js";
import { setBodyDeadline } from "../../server/src/http/guard.js";
import type { HttpLimits } from "../../server/src/http/limits.js";
import type { HttpHandler } from "../../server/src/http/message.js";
import { listenOnePort, type OnePort, type OnePortOptions } from "../../server/src/http/one-port.js";
import { createRouter, notFound, type RouterOptions } from "../../server/src/http/router.js";
import { loadStaticFiles, type StaticFiles } from "../../server/src/http/static-files.js";
import { createMetrics } from "../../server/src/ops/metrics.js";

const host = "127.0.0.1";
const cancel = http2.constants.NGHTTP2_CANCEL;
const limits: HttpLimits = {
  sniffTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 5_000,
  stallTimeoutMs: 90_000,
  sessionIdleTimeoutMs: 60_000,
  pingIntervalMs: 20_000,
  pingTimeoutMs: 10_000,
  tcpKeepAliveMs: 15_000,
  maxConnections: 1_000,
  maxHeaderBytes: 16 * 1024,
  maxHeaderListPairs: 64,
  maxConcurrentStreams: 100,
  maxSessionMemoryMb: 4,
};

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

async function listen(handler: HttpHandler, given: Partial<HttpLimits> = {}, rest: Partial<OnePortOptions> = {}) {
  const port = await listenOnePort(handler, { host, port: 0, limits: { ...limits, ...given }, ...rest });
  cleanUp.push(() => port.close(0));
  return port;
}

const echo: HttpHandler = (req, res) => {
  res.setHeader("content-type", "text/plain");
  let size = 0;
  req.on("data", (chunk: Buffer) => (size += chunk.length));
  req.on("end", () => res.end(`${req.httpVersion} ${req.method} ${req.url} ${size}`));
};

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

interface Call {
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string;
}

function h1(port: OnePort, path: string, { method, headers, body }: Call = {}, tls?: https.RequestOptions) {
  return new Promise<Answer>((resolve, reject) => {
    // The path goes out as it is: a URL object would tidy "/../" away.
    const options = {
      host,
      port: port.port,
      path,
      method: method ?? "GET",
      headers: headers ?? {},
      agent: false as const,
    };
    const req = tls ? https.request({ ...options, ...tls }) : http.request(options);
    req.on("error", reject).on("response", (res) => {
      let text = "";
      res.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      res
        .on("error", reject)
        .on("end", () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: text }));
    });
    req.end(body);
  });
}

function connectH2(port: OnePort, options: http2.SecureClientSessionOptions = {}) {
  const session = http2.connect(port.url, options);
  session.on("error", () => {});
  cleanUp.push(() => session.destroy());
  return session;
}

function h2(session: http2.ClientHttp2Session, path: string, { method, headers, body }: Call = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const stream = session.request(
      { ":path": path, ":method": method ?? "GET", ...headers },
      { endStream: body === undefined },
    );
    let text = "";
    let head: http.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
    stream.on("response", (got) => (head = got));
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    stream.on("error", reject).on("close", () => resolve({ status: head[":status"] ?? 0, headers: head, body: text }));
    if (body !== undefined) stream.end(body);
  });
}

/** A bare connection, all it received, and when it ended. */
function raw(port: OnePort, bytes = "") {
  const socket = net.connect(port.port, host);
  const started = performance.now();
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
  socket.on("error", () => {});
  socket.write(bytes);
  cleanUp.push(() => socket.destroy());
  const closed = new Promise<{ text: string; ms: number }>((resolve) => {
    socket.once("close", () => resolve({ text, ms: performance.now() - started }));
  });
  return { socket, closed };
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const emptySettings = "\0\0\0\x04\0\0\0\0\0";

describe("one port", () => {
  test("speaks HTTP/1.1 and HTTP/2 on one cleartext port", async () => {
    const port = await listen(echo);
    expect((await h1(port, "/a", { method: "POST", body: "xyz" })).body).toBe("1.1 POST /a 3");
    expect((await h2(connectH2(port), "/b", { method: "POST", body: "xyz" })).body).toBe("2.0 POST /b 3");
  });

  test("tells the protocol however small the first packets are", async () => {
    const port = await listen(echo);
    for (const [bytes, expected] of [
      ["POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "HTTP/1.1 200 "],
      [preface + emptySettings, "\0\0"], // the server's SETTINGS frame
    ] as const) {
      const { socket } = raw(port);
      socket.setNoDelay(true);
      const answered = once(socket, "data");
      for (const byte of bytes) await new Promise((resolve) => socket.write(byte, "latin1", resolve));
      expect(String(await answered).startsWith(expected)).toBe(true);
    }
  });

  test("requests on one kept-alive connection and a pipelined pair are all answered", async () => {
    const port = await listen(echo);
    const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`;
    const { closed } = raw(port, get("/1") + get("/2", "connection: close\r\n"));
    expect((await closed).text).toMatch(/GET \/1 0.*GET \/2 0/s);
  });

  test("a port in use is explained", async () => {
    const port = await listen(echo);
    const again = listenOnePort(echo, { host, port: port.port, limits });
    await expect(again).rejects.toThrow(`cannot listen on ${host}:${port.port}: another process is listening there`);
  });

  test("connections beyond the limit are refused, the others go on", async () => {
    const port = await listen(echo, { maxConnections: 1 });
    const session = connectH2(port);
    expect((await h2(session, "/")).status).toBe(200);
    await raw(port).closed;
    expect((await h2(session, "/")).status).toBe(200);
  });

  test("a handler that throws costs its own request only", async () => {
    const port = await listen((req, res) => {
      if (req.url === "/late") res.write("some");
      if (req.url !== "/") throw new Error("bug");
      res.end("fine");
    });
    const session = connectH2(port);
    expect(await h1(port, "/early")).toMatchObject({ status: 500, body: expect.not.stringContaining("bug") });
    expect((await h2(session, "/early")).status).toBe(500);
    await expect(h1(port, "/late")).rejects.toThrow();
    await expect(h2(session, "/late")).rejects.toThrow("NGHTTP2_INTERNAL_ERROR");
    expect((await h2(session, "/")).body).toBe("fine");
  });

  test("clients that vanish in any state do not harm the process", async () => {
    const port = await listen((req, res) => void req.once("close", () => res.write("to nobody")));
    for (const bytes of [
      "",
      "PRI",
      "GET / HTTP/1.1\r\n",
      "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
      preface + emptySettings,
      "\0\xff",
    ]) {
      const { socket, closed } = raw(port);
      await new Promise((resolve) => socket.write(bytes, "latin1", resolve));
      socket.resetAndDestroy();
      await closed;
    }
    const session = connectH2(port);
    const stream = session.request({ ":path": "/" });
    stream.on("error", () => {});
    stream.close(cancel);
    await once(stream, "close");
    expect(session.destroyed).toBe(false);
  });
});

describe("slow and dead clients", () => {
  // Each limit is shortened alone, so what cuts the connection is the limit under test.
  test.each(["", "P", preface.slice(0, 12)])("%j and then silence is cut before any protocol", async (bytes) => {
    const { closed } = raw(await listen(echo, { sniffTimeoutMs: 200 }), bytes);
    const { ms, text } = await closed;
    expect(text).toBe("");
    expect(ms).toBeGreaterThan(190);
    expect(ms).toBeLessThan(2_000);
  });

  test("headers that trickle are cut", async () => {
    const { socket, closed } = raw(await listen(echo, { headersTimeoutMs: 300 }), "GET / HTTP/1.1\r\nhost: x\r\n");
    const drip = setInterval(() => socket.write("a"), 20);
    const { text, ms } = await closed;
    clearInterval(drip);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(ms).toBeLessThan(2_000);
  });

  test("a body that trickles is cut in HTTP/1.1", async () => {
    const head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    const { socket, closed } = raw(await listen(echo, { requestTimeoutMs: 200 }), head);
    const drip = setInterval(() => socket.write("a"), 20);
    const { text, ms } = await closed;
    clearInterval(drip);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(ms).toBeLessThan(2_000);
  });

  test("a body that trickles is cut in HTTP/2, its neighbours are not", async () => {
    const session = connectH2(await listen(echo, { requestTimeoutMs: 200 }));
    const stream = session.request({ ":path": "/", ":method": "POST" }, { endStream: false });
    stream.on("error", () => {});
    const drip = setInterval(() => stream.write("a"), 20);
    await once(stream, "close");
    clearInterval(drip);
    expect(stream.rstCode).toBe(cancel);
    expect((await h2(session, "/")).status).toBe(200);
  });

  test("a handler may give an upload more time", async () => {
    const port = await listen(
      (req, res) => {
        setBodyDeadline(req, 10_000);
        echo(req, res);
      },
      { requestTimeoutMs: 100 },
    );
    const req = http.request({
      host,
      port: port.port,
      method: "PUT",
      headers: { "content-length": "2" },
      agent: false,
    });
    req.write("a");
    setTimeout(() => req.end("b"), 300); // the passing of time is the point here
    const [res] = (await once(req, "response")) as [http.IncomingMessage];
    expect(res.resume().statusCode).toBe(200);
  });

  test("the request's time-out does not touch a long response of either protocol", async () => {
    const port = await listen(
      (req, res) => {
        res.write("begin ");
        req.resume().once("end", () => setTimeout(() => res.end("end"), 300));
      },
      { requestTimeoutMs: 50 },
    );
    const call = { method: "POST", body: "x" };
    expect((await h1(port, "/", call)).body).toBe("begin end");
    expect((await h2(connectH2(port), "/", call)).body).toBe("begin end");
  });

  test("nor a bidirectional HTTP/2 exchange that has begun to answer", async () => {
    const port = await listen(
      (req, res) => {
        res.write("begin ");
        req.resume().once("end", () => res.end("end"));
      },
      { requestTimeoutMs: 50 },
    );
    const stream = connectH2(port).request({ ":path": "/", ":method": "POST" }, { endStream: false });
    await once(stream.resume(), "response");
    setTimeout(() => stream.end("x"), 200);
    await once(stream, "close");
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  });

  test("a client that stops reading a response is cut in HTTP/1.1", async () => {
    let gone: Promise<unknown> = Promise.resolve();
    const port = await listen(
      (_req, res) => {
        gone = once(res, "close");
        res.end(Buffer.alloc(32 << 20));
      },
      { stallTimeoutMs: 300 },
    );
    const { socket } = raw(port, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(socket, "data");
    socket.pause();
    await gone;
  });

  test("a session without a stream, even after streams reset at once, is closed by GOAWAY, one with a stream is not", async () => {
    const port = await listen(
      (req, res) => {
        if (req.url === "/open") res.write("x");
        else res.end();
      },
      { sessionIdleTimeoutMs: 200 },
    );
    const busy = connectH2(port);
    await once(busy.request({ ":path": "/open" }).resume(), "response");
    const idle = connectH2(port);
    await h2(idle, "/");
    for (let i = 0; i < 20; i += 1)
      idle
        .request({ ":path": "/open" })
        .on("error", () => {})
        .close(cancel);
    const goaway = once(idle, "goaway");
    await once(idle, "close");
    expect((await goaway)[0]).toBe(http2.constants.NGHTTP2_NO_ERROR);
    expect(busy.closed).toBe(false);
  });

  test("a session that never opens a stream is closed, and a peer that then holds on to its end is dropped", async () => {
    const port = await listen(echo, { sessionIdleTimeoutMs: 100, pingIntervalMs: 150 });
    const socket = net.connect({ port: port.port, host, allowHalfOpen: true });
    cleanUp.push(() => socket.destroy());
    socket
      .on("error", () => {})
      .resume()
      .write(preface + emptySettings, "latin1");
    await once(socket, "end");
    await port.close(60_000); // would take as long if the server still held the connection
  }, 5_000);

  test("a peer that answers no PING is dead: its handlers learn of it", async () => {
    const ends: Promise<unknown>[] = [];
    const port = await listen(
      (_req, res) => {
        ends.push(once(res, "close"));
        res.write("x");
      },
      { pingIntervalMs: 100, pingTimeoutMs: 100 },
    );
    const live = connectH2(port);
    await once(live.request({ ":path": "/" }).resume(), "response");
    // One request (HPACK: GET, http, /), and never a frame more.
    const dead = raw(port);
    dead.socket.write(`${preface}${emptySettings}\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84`, "latin1");
    await dead.closed;
    await ends[1];
    expect(live.destroyed).toBe(false);
  });
});

describe("header limits", () => {
  test("both protocols: what fits passes, what is too many or too much is refused", async () => {
    const port = await listen(echo);
    const pairs = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`x-h-${i}`, "v"]));
    const session = connectH2(port);
    const status = async (headers: http.OutgoingHttpHeaders) => {
      const over1 = await h1(port, "/", { headers });
      const over2 = await h2(session, "/", { headers }).catch((error: Error) => ({ status: error.message }));
      return [over1.status, over2.status];
    };
    expect(await status(pairs(50))).toEqual([200, 200]);
    expect(await status({ "x-big": "v".repeat(15_000) })).toEqual([200, 200]);
    const [many1, many2] = await status(pairs(65));
    expect([many1, many2]).toEqual([431, expect.stringContaining("ENHANCE_YOUR_CALM")]);
    const [big1, big2] = await status({ "x-big": "v".repeat(17_000) });
    expect([big1, big2]).toEqual([431, expect.toSatisfy((got) => got === 431 || /REFUSED|CALM/.test(String(got)))]);
  });

  test("a session may open only so many streams at once", async () => {
    const port = await listen(echo, { maxConcurrentStreams: 7 });
    const session = connectH2(port);
    const [settings] = (await once(session, "remoteSettings")) as [http2.Settings];
    expect(settings).toMatchObject({ maxConcurrentStreams: 7, maxHeaderListSize: 16 * 1024 });
  });
});

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
        rpc: notFound,
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
        draining: () => false,
        maxUrlBytes: 8 * 1024,
        ...given,
      }),
    );

  test("healthz says ok, then 503 while draining, over both protocols", async () => {
    let draining = false;
    const port = await serve({ draining: () => draining });
    expect(await h1(port, "/healthz")).toMatchObject({ status: 200, body: "ok" });
    expect(await h2(connectH2(port), "/healthz")).toMatchObject({ status: 200, body: "ok" });
    expect(await h1(port, "/healthz", { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
    draining = true;
    expect((await h1(port, "/healthz?x=1")).status).toBe(503);
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
        "access-control-allow-methods": "POST, GET",
        "access-control-allow-headers": "Connect-Protocol-Version, authorization, parley-acting-user, x-request-id",
        "access-control-max-age": "7200",
        vary: "origin",
      });
      expect(headers).not.toHaveProperty("access-control-allow-credentials");
      const call = await h2(connectH2(port), "/healthz", { headers: { origin: ours } });
      expect(call.headers).toMatchObject({
        "access-control-allow-origin": ours,
        "access-control-expose-headers": "Grpc-Status, x-request-id",
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

describe("TLS", () => {
  const dir = mkdtempSync(join(tmpdir(), "parley-tls-"));
  const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  beforeAll(() => {
    const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
    const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync("openssl", ["req", ...kind, "-keyout", key, "-out", cert, ...name], { stdio: "ignore" });
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const serveTls = (given: Partial<HttpLimits> = {}) =>
    listen(echo, given, { tls: { key: readFileSync(key), cert: readFileSync(cert) } });

  test("HTTP/1.1 and HTTP/2 by ALPN, with the same limits as in cleartext", async () => {
    const port = await serveTls();
    const ca = readFileSync(cert);
    expect(port.url).toMatch(/^https:/);
    expect((await h1(port, "/a", {}, { ca })).body).toBe("1.1 GET /a 0");
    expect((await h1(port, "/", { headers: { "x-big": "v".repeat(17_000) } }, { ca })).status).toBe(431);
    const session = connectH2(port, { ca });
    expect((await h2(session, "/b", { method: "POST", body: "x".repeat(100_000) })).body).toBe("2.0 POST /b 100000");
  });

  test("TLS 1.1, cleartext and an unfinished handshake are refused; the server goes on", async () => {
    const port = await serveTls({ sniffTimeoutMs: 200 });
    const ca = readFileSync(cert);
    const old = { ca, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await expect(h1(port, "/", {}, old)).rejects.toThrow();
    await raw(port, "GET / HTTP/1.1\r\n\r\n").closed;
    await raw(port, "\x16\x03\x01").closed;
    expect((await h1(port, "/", {}, { ca })).status).toBe(200);
  });

  test("close ends open sessions and half-done handshakes", async () => {
    const port = await serveTls();
    const session = connectH2(port, { ca: readFileSync(cert) });
    expect((await h2(session, "/")).status).toBe(200);
    const { socket, closed } = raw(port, "\x16\x03\x01");
    await once(socket, "connect");
    await Promise.all([port.close(50), closed, once(session, "close")]);
  });
});

describe("close", () => {
  test("idle clients of both protocols are let go at once, work under way is finished", async () => {
    let release = (): void => {};
    const asked = new Promise<void>((resolve) => (release = resolve));
    let finish = (): void => {};
    const port = await listen((req, res) => {
      if (req.url === "/quick") return void res.end();
      const before = finish;
      finish = () => {
        before();
        res.end("finished");
      };
      if (req.httpVersionMajor === 2) release();
    });
    const agent = new http.Agent({ keepAlive: true });
    cleanUp.push(() => agent.destroy());
    const idleSession = connectH2(port);
    await h2(idleSession, "/quick");
    const idle = raw(port, "GET /quick HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(idle.socket, "data");
    const undecided = raw(port, "PRI");
    await once(undecided.socket, "ready");
    const slow1 = http.get({ host, port: port.port, path: "/slow", agent });
    await once(slow1, "finish");
    const slow2 = h2(connectH2(port), "/slow");
    await asked;

    const closed = port.close(10_000);
    await Promise.all([idle.closed, undecided.closed, once(idleSession, "close")]);
    await expect(h1(port, "/quick")).rejects.toThrow("ECONNREFUSED");
    finish();
    const [res] = (await once(slow1, "response")) as [http.IncomingMessage];
    expect(await once(res.setEncoding("utf8"), "data")).toEqual(["finished"]);
    expect((await slow2).body).toBe("finished");
    await closed; // long before the grace: nobody keeps its connection
  });

  test("what is still open after the grace is cut; closing twice is one closing", async () => {
    const port = await listen((_req, res) => void res.write("for ever"));
    const session = connectH2(port);
    await once(
      session.request({ ":path": "/" }).on("error", () => {}),
      "response",
    );
    const stuck = raw(port, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(stuck.socket, "data");
    const closing = port.close(100);
    expect(port.close(10_000)).toBe(closing);
    await Promise.all([closing, stuck.closed, once(session, "close")]);
  });

  test("nothing of a closed server keeps its process alive", async () => {
    const url = (path: string) => new URL(`../../server/src/http/${path}`, import.meta.url).href;
    const script = `
      import net from "node:net";
      import http2 from "node:http2";
      import { listenOnePort } from "${url("one-port.ts")}";
      const port = await listenOnePort((req, res) => res.write("x"), ${JSON.stringify({ host, port: 0, limits })});
      const session = http2.connect(port.url).on("error", () => {});
      const stream = session.request({ ":path": "/", ":method": "POST" }, { endStream: false }).on("error", () => {});
      const half = net.connect(port.port, "${host}", () => half.write("PRI")).on("error", () => {});
      stream.once("response", () => port.close(0));
    `;
    const args = ["--import", "tsx", "--input-type=module", "-e", script];
    await promisify(execFile)(process.execPath, args, { timeout: 5_000 }); // rejects when it had to be killed
  });
});
