import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HttpLimits } from "../../server/src/http/limits.js";
import { listenOnePort } from "../../server/src/http/one-port.js";
import {
  cancel,
  cleanUp,
  connectH2,
  echo,
  emptySettings,
  errors,
  h1,
  h2,
  host,
  limits,
  listen,
  preface,
  raw,
} from "./http-story.js";

const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`;

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
    const { closed } = raw(port, get("/1") + get("/2", "connection: close\r\n"));
    expect((await closed).text).toMatch(/GET \/1 0.*GET \/2 0/s);
  });

  test("a port in use is explained", async () => {
    const port = await listen(echo);
    const again = listenOnePort(echo, { host, port: port.port, limits, errors });
    await expect(again).rejects.toThrow(`cannot listen on ${host}:${port.port}: another process is listening there`);
  });

  test("connections beyond the limit are refused, the others go on", async () => {
    const port = await listen(echo, { maxConnections: 1 });
    const session = connectH2(port);
    expect((await h2(session, "/")).status).toBe(200);
    await raw(port).closed;
    expect((await h2(session, "/")).status).toBe(200);
  });

  test("a server that sends its clients away ends each connection with its answer, and not while something is open", async () => {
    let away = false;
    const pending: (() => void)[] = [];
    const port = await listen(
      (req, res) => (req.url === "/later" ? pending.push(() => res.end("late")) : echo(req, res)),
      {},
      { sendsAway: () => away },
    );
    const kept = raw(port, get("/1"));
    const session = connectH2(port);
    const ended = once(session, "close");
    const later = h2(session, "/later");
    await expect.poll(() => pending.length).toBe(1);
    away = true;
    kept.socket.write(get("/2"));
    expect((await kept.closed).text).toMatch(/ GET \/1 0.*connection: close.* GET \/2 0/is);
    expect((await h2(session, "/3")).body).toBe("2.0 GET /3 0");
    for (const finish of pending) finish();
    expect((await later).body).toBe("late");
    await ended;
    // Whoever comes all the same is answered.
    expect(await h1(port, "/4")).toMatchObject({ status: 200, headers: { connection: "close" } });
    away = false;
    expect((await h2(connectH2(port), "/5")).body).toBe("2.0 GET /5 0");
  });

  test("a handler that throws costs its own request only", async () => {
    const port = await listen((req, res) => {
      if (req.url === "/late") res.write("some");
      if (req.url !== "/") throw new Error("a secret of the inside");
      res.end("fine");
    });
    const session = connectH2(port);
    expect(await h1(port, "/early")).toMatchObject({ status: 500, body: expect.not.stringContaining("secret") });
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
