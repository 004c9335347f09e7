import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import { afterEach } from "vitest";
import type { HttpLimits } from "../../server/src/http/limits.js";
import type { HttpHandler } from "../../server/src/http/message.js";
import { listenOnePort, type OnePort, type OnePortOptions } from "../../server/src/http/one-port.js";
import { createPortErrors } from "../../server/src/rpc/port-errors.js";

export const host = "127.0.0.1";
export const cancel = http2.constants.NGHTTP2_CANCEL;
export const limits: HttpLimits = {
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
  connectionsPerAddress: 1_000,
  newConnectionsPerSecond: 1_000,
  maxHeaderBytes: 16 * 1024,
  maxHeaderListPairs: 64,
  maxConcurrentStreams: 100,
  maxStreamResets: 500,
  streamResetsPerSecond: 30,
  maxSessionMemoryMb: 4,
};

export const errors = createPortErrors({ newId: () => "id", urlBytes: 8 * 1024, headerBytes: 16 * 1024 });

export const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

export async function listen(
  handler: HttpHandler,
  given: Partial<HttpLimits> = {},
  rest: Partial<OnePortOptions> = {},
) {
  const port = await listenOnePort(handler, { host, port: 0, limits: { ...limits, ...given }, errors, ...rest });
  cleanUp.push(() => port.close(0));
  return port;
}

export const echo: HttpHandler = (req, res) => {
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

export interface Call {
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string;
}

export function h1(port: OnePort, path: string, { method, headers, body }: Call = {}, tls?: https.RequestOptions) {
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

export function connectH2(port: OnePort, options: http2.SecureClientSessionOptions = {}) {
  const session = http2.connect(port.url, options);
  session.on("error", () => {});
  cleanUp.push(() => session.destroy());
  return session;
}

export function h2(session: http2.ClientHttp2Session, path: string, { method, headers, body }: Call = {}) {
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
export function raw(port: OnePort, bytes = "") {
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

export const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
export const emptySettings = "\0\0\0\x04\0\0\0\0\0";
