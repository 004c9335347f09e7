import { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { PortError, PortErrors } from "../ports.js";

export type HttpRequest = IncomingMessage | Http2ServerRequest;
/** Two methods are spelled out, as Connect does, since TypeScript cannot call a union of the two classes' overloads. */
export type HttpResponse = (Omit<ServerResponse, "write"> | Omit<Http2ServerResponse, "write">) & {
  write(chunk: string | Uint8Array, callback?: (err: Error | null | undefined) => void): boolean;
  write(
    chunk: string | Uint8Array,
    encoding: BufferEncoding,
    callback?: (err: Error | null | undefined) => void,
  ): boolean;
  writeHead(status: number, headers?: OutgoingHttpHeaders): unknown;
};
export type HttpHandler = (req: HttpRequest, res: HttpResponse) => void;

export function isH2(req: HttpRequest): req is Http2ServerRequest {
  return req.httpVersionMajor === 2;
}

/** The path without the query. Never decoded: every path served here is plain ASCII. */
export function pathOf(req: HttpRequest): string {
  const url = req.url ?? "/";
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

/** Answers in one go. For HEAD the length is announced and the body left out. */
export function answer(
  req: HttpRequest,
  res: HttpResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Uint8Array = "",
): void {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  // In HTTP/2 an answer is lost together with a body that nobody reads.
  req.resume();
  res.statusCode = status;
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  if (status !== 204 && status !== 304) res.setHeader("content-length", String(bytes.length));
  if (req.method === "HEAD" || bytes.length === 0) res.end();
  else res.end(bytes);
}

/** Tells what the port itself refuses, in the protocol that the request came by. */
export function answerError(req: HttpRequest, res: HttpResponse, errors: PortErrors, error: PortError): void {
  const { status, headers, body } = errors(error, req.headers);
  answer(req, res, status, headers, body);
}

/** The same for a request that never became one: HTTP/1.1, byte by byte. */
export function rawError(errors: PortErrors, error: PortError): Buffer {
  const { status, headers, body } = errors(error, {});
  const lines = Object.entries({ ...headers, "content-length": body.length, connection: "close" });
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);
}
