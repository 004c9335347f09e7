import { constants } from "node:http2";
import type { Logger } from "../ops/logger.js";
import type { PortErrors } from "../ports.js";
import type { HttpLimits } from "./limits.js";
import { answerError, type HttpHandler, type HttpRequest, type HttpResponse, isH2, rawError } from "./message.js";

const deadlines = new WeakMap<HttpRequest, (ms: number) => void>();

/** Gives one request another time than `requestTimeoutMs`, from now, to deliver its body: uploads need minutes. */
export function setBodyDeadline(req: HttpRequest, ms: number): void {
  deadlines.get(req)?.(ms);
}

export function headersTooLarge(rawHeaders: readonly string[], limits: HttpLimits): boolean {
  if (rawHeaders.length / 2 > limits.maxHeaderListPairs) return true;
  let bytes = 0;
  // Two more a string stand for the ": " and line end of HTTP/1.1, so that both protocols are measured alike.
  for (const part of rawHeaders) bytes += part.length + 2;
  return bytes > limits.maxHeaderBytes;
}

/** Whether a request says, in a form that can be read, which host it is for: what makes URLs of it may rely on that. */
function namesHost(req: HttpRequest): boolean {
  const host = isH2(req) ? req.authority : req.headers.host;
  return host !== undefined && (/^[\w.-]+(:\d{1,4})?$/.test(host) || (host !== "" && URL.canParse(`http://${host}`)));
}

function hasBody(req: HttpRequest): boolean {
  if (isH2(req)) return !req.stream.endAfterHeaders;
  return req.headers["transfer-encoding"] !== undefined || Number(req.headers["content-length"] ?? 0) > 0;
}

function cut(req: HttpRequest, res: HttpResponse, errors: PortErrors): void {
  if (isH2(req)) {
    // A response under way belongs to its handler: bidirectional streams keep their request open.
    if (!res.headersSent || res.writableEnded) req.stream.close(constants.NGHTTP2_CANCEL);
  } else if (!req.complete) {
    if (!res.headersSent) req.socket.write(rawError(errors, "too_late"));
    req.socket.destroy();
  }
}

/** Node's own requestTimeout exists for HTTP/1.1 only and cannot be longer for one request. */
function limitBody(req: HttpRequest, res: HttpResponse, ms: number, errors: PortErrors): void {
  // Unreferenced: of an answered request whose connection is lost nothing is told, and the process must not wait for its deadline.
  let timer = setTimeout(cut, ms, req, res, errors).unref();
  deadlines.set(req, (next) => {
    clearTimeout(timer);
    if (!req.complete) timer = setTimeout(cut, next, req, res, errors).unref();
  });
  const stop = (): void => clearTimeout(timer);
  req.once("end", stop);
  req.once("close", stop);
}

function abort(req: HttpRequest): void {
  if (isH2(req)) req.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else req.socket.destroy();
}

export interface GuardOptions {
  readonly limits: HttpLimits;
  /** Whether every client is to go on elsewhere: its connection ends with the answer it waits for. */
  readonly sendsAway: () => boolean;
  readonly errors: PortErrors;
  readonly log: Logger | undefined;
}

/** Wraps the application's handler in what holds for every request of either protocol. */
export function guardRequests(handler: HttpHandler, { limits, sendsAway, errors, log }: GuardOptions): HttpHandler {
  return (req, res) => {
    // Writing to a response whose client has gone emits an error that, unheard, would end the process.
    res.on("error", () => {});
    if (!isH2(req)) {
      if (sendsAway()) res.setHeader("connection", "close");
      // A request that was under way when that began has announced a keep-alive that is now void.
      res.once("finish", () => sendsAway() && req.socket.destroySoon());
    } else if (sendsAway()) req.stream.session?.close();
    if (hasBody(req)) limitBody(req, res, limits.requestTimeoutMs, errors);
    if (!namesHost(req)) {
      answerError(req, res, errors, "malformed");
      return;
    }
    if (headersTooLarge(req.rawHeaders, limits)) {
      answerError(req, res, errors, "headers_too_large");
      return;
    }
    try {
      handler(req, res);
    } catch (err) {
      log?.error({ err }, "request handler threw");
      if (res.headersSent) abort(req);
      else answerError(req, res, errors, "internal");
    }
  };
}
