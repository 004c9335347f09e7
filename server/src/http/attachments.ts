import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Download, Transfers } from "../ports.js";
import { setBodyDeadline } from "./guard.js";
import { answer, type HttpHandler, type HttpRequest, type HttpResponse, isH2 } from "./message.js";
import { type ByteRange, rangeOf } from "./ranges.js";
import { isFresh } from "./static-files.js";

export interface AttachmentsOptions {
  readonly transfers: Transfers;
  /** An upload must bring so many bytes in each such time; its whole length has no other bound in time. */
  readonly stallBytes: number;
  readonly stallMs: number;
  /** A download ends when its reader takes nothing for so long. */
  readonly readerStallMs: number;
}

/** Whoever opens it must not run it: what was uploaded may be a page or a script, and this is the origin of ours. */
const defused = {
  "content-security-policy": "sandbox; default-src 'none'",
  "referrer-policy": "no-referrer",
  "accept-ranges": "bytes",
};

/** The bytes of attachments: PUT takes them, GET and HEAD give them. The address says who may; see domain/attachments/signed-urls.ts. */
export function createAttachmentsHandler(options: AttachmentsOptions): HttpHandler {
  const { transfers } = options;
  const work = async (req: HttpRequest, res: HttpResponse): Promise<void> => {
    if (req.method === "PUT") await receive(req, res, options);
    else if (req.method === "GET" || req.method === "HEAD") await send(req, res, options);
    else answer(req, res, 405, { allow: "GET, HEAD, PUT" });
  };
  return (req, res) => {
    work(req, res).catch((error: unknown) => {
      if (isGone(req, res)) return;
      // What has begun cannot be told any more: only its end tells that it is not whole.
      if (res.headersSent) cut(req, res);
      else {
        const { status, headers, body } = transfers.refusal(error, { "x-request-id": req.headers["x-request-id"] });
        answer(req, res, status, headers, body);
      }
    });
  };
}

async function receive(
  req: HttpRequest,
  res: HttpResponse,
  { transfers, stallBytes, stallMs }: AttachmentsOptions,
): Promise<void> {
  const length = req.headers["content-length"];
  await transfers.receive(
    req.url ?? "",
    steady(req, stallBytes, stallMs),
    length === undefined ? undefined : Number(length),
  );
  answer(req, res, 204, { "cache-control": "no-store" });
}

/** The body of a request that may take as long as it likes while it goes on. Leaving it early leaves the connection open for the answer. */
async function* steady(req: HttpRequest, stallBytes: number, stallMs: number): AsyncGenerator<Uint8Array> {
  let since = 0;
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    since += chunk.length;
    if (since >= stallBytes) {
      setBodyDeadline(req, stallMs);
      since = 0;
    }
    yield chunk;
  }
}

async function send(
  req: HttpRequest,
  res: HttpResponse,
  { transfers, readerStallMs }: AttachmentsOptions,
): Promise<void> {
  const download = await transfers.open(req.url ?? "");
  const { sizeBytes, etag } = download;
  const headers = headersOf(download);
  if (isFresh({ "if-none-match": req.headers["if-none-match"] }, etag, 0)) return answer(req, res, 304, headers);
  const ifRange = req.headers["if-range"];
  const range = ifRange === undefined || ifRange === etag ? rangeOf(req.headers.range, sizeBytes) : "whole";
  if (range === "unsatisfiable") return answer(req, res, 416, { ...headers, "content-range": `bytes */${sizeBytes}` });
  const part: ByteRange = range === "whole" ? { start: 0, end: sizeBytes } : range;
  req.resume();
  res.statusCode = range === "whole" ? 200 : 206;
  if (range !== "whole") res.setHeader("content-range", `bytes ${part.start}-${part.end - 1}/${sizeBytes}`);
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.setHeader("content-length", String(part.end - part.start));
  if (req.method === "HEAD") {
    res.end();
    return;
  }
  const bytes = await download.read(part.start, part.end);
  await pipeline(
    Readable.from(
      watched(bytes, readerStallMs, () => cut(req, res)),
      { objectMode: false },
    ),
    res as unknown as Writable,
  );
}

function headersOf({ contentType, disposition, etag, goodForMs }: Download): Record<string, string> {
  return {
    ...defused,
    "content-type": contentType,
    "content-disposition": disposition,
    "cache-control": `private, max-age=${Math.floor(goodForMs / 1000)}`,
    etag,
  };
}

/** Bytes whose reader must come for the next ones in time. */
async function* watched(
  bytes: AsyncIterable<Uint8Array>,
  stallMs: number,
  stalled: () => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    const timer = setTimeout(stalled, stallMs);
    try {
      yield chunk;
    } finally {
      clearTimeout(timer);
    }
  }
}

function isGone(req: HttpRequest, res: HttpResponse): boolean {
  return res.destroyed || (isH2(req) ? req.stream.destroyed : req.socket.destroyed);
}

function cut(req: HttpRequest, res: HttpResponse): void {
  if (isH2(req)) req.stream.close();
  else res.destroy();
}
