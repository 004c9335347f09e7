import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { describe, expect, test } from "vitest";
import { setBodyDeadline } from "../../server/src/http/guard.js";
import {
  cancel,
  cleanUp,
  connectH2,
  echo,
  emptySettings,
  h1,
  h2,
  host,
  listen,
  preface,
  raw,
} from "../integration/http-story.js";

describe("H6: slow and dead clients", () => {
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

describe("H5: header limits", () => {
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
