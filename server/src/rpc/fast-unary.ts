import { create, type DescMethod, toBinary, toJsonString } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { DomainError } from "../domain/errors.js";
import { decodeRequest, tooLarge } from "./decode-request.js";
import { isWireError, toConnectError, type WireError } from "./errors.js";
import type { Request, Response } from "./exchange.js";
import { type LazyAbort, lazyAbort, plainFacts, readBody } from "./fast-request.js";
import type { CallFacts } from "./funnel.js";
import { requestIdOf } from "./request-id.js";
import type { UnaryMethod, UnaryTable } from "./unary-table.js";

type Codec = "proto" | "json";

/** What the ways past Connect need. */
export interface FastOptions {
  requestBytes: number;
  maxTimeoutMs: number;
  addressOf(request: Request): string;
  newId(): string;
  /** Counts and logs what never reached the funnel, and gives its wire form. */
  fail(method: DescMethod, error: unknown, requestId: string): WireError;
}

/**
 * Serves the plain case of a unary call, POST with an uncompressed application/proto or application/json body, without Connect's
 * pipeline of streams and signals, which costs more than the call itself. Everything else goes to Connect. Both end in the same funnel.
 */
export function createFastUnary(
  table: UnaryTable,
  options: FastOptions,
  viaConnect: (request: Request, response: Response) => void,
): (request: Request, response: Response) => void {
  return (request, response) => {
    const codec = isPlain(request, options.maxTimeoutMs) ? codecOf(request) : undefined;
    const method = codec === undefined ? undefined : table.at(request.url ?? "");
    if (codec === undefined || method === undefined) viaConnect(request, response);
    else serve(method, codec, options, request, response);
  };
}

function isPlain({ method, headers }: Request, maxTimeoutMs: number): boolean {
  const { "content-encoding": encoding, "connect-timeout-ms": timeout, "connect-protocol-version": version } = headers;
  if (version !== undefined && version !== "1") return false;
  if (method !== "POST" || (encoding !== undefined && encoding !== "identity")) return false;
  // An odd deadline is Connect's to refuse.
  return timeout === undefined || (/^[1-9]\d{0,9}$/.test(String(timeout)) && Number(timeout) <= maxTimeoutMs);
}

function codecOf({ headers }: Request): Codec | undefined {
  const type = headers["content-type"];
  if (type === "application/proto") return "proto";
  return type === "application/json" || type === "application/json; charset=utf-8" ? "json" : undefined;
}

function serve(method: UnaryMethod, codec: Codec, options: FastOptions, request: Request, response: Response): void {
  const requestId = requestIdOf(request.headers["x-request-id"], options.newId);
  const fail = (error: unknown) => options.fail(method.method, error, requestId);
  readBody(request, options.requestBytes, (body) => {
    if (body === undefined) {
      // What is still under way is not read, so the connection cannot be used again.
      if (request.httpVersionMajor === 1) response.setHeader("connection", "close");
      answerError(response, fail(tooLarge(options.requestBytes)));
      return;
    }
    const over = lazyAbort(response);
    const deadline = startDeadline(request, response, over, fail);
    const facts = plainFacts(request, requestId, options.addressOf(request), codec === "proto", over);
    void run(method, codec, body, facts, response, fail).then(() => clearTimeout(deadline));
  });
}

async function run(
  entry: UnaryMethod,
  codec: Codec,
  body: Buffer,
  facts: CallFacts,
  response: Response,
  fail: (error: unknown) => WireError,
): Promise<void> {
  const { method } = entry;
  try {
    const message = decodeRequest(method.input, codec, body);
    const answer = create(method.output, await entry.run(message, facts));
    const bytes =
      codec === "proto" ? toBinary(method.output, answer) : Buffer.from(toJsonString(method.output, answer));
    // The deadline may have answered already.
    if (response.headersSent || response.destroyed) return;
    response.writeHead(200, { "content-type": `application/${codec}`, "content-length": bytes.length });
    response.end(bytes);
  } catch (failure) {
    answerError(response, isWireError(failure) ? failure : fail(failure));
  }
}

/** Answers a call with DEADLINE_EXCEEDED when the time its caller gave it is over; what it does may still be done. */
function startDeadline(
  request: Request,
  response: Response,
  over: LazyAbort,
  fail: (error: unknown) => WireError,
): NodeJS.Timeout | undefined {
  const timeout = request.headers["connect-timeout-ms"];
  if (timeout === undefined) return undefined;
  return setTimeout(() => {
    const error = new DomainError(ErrorReason.DEADLINE_EXCEEDED, "the call took longer than its deadline");
    answerError(response, fail(error));
    over.abort();
  }, Number(timeout));
}

function answerError(response: Response, failure: WireError): void {
  if (response.headersSent || response.destroyed) return;
  const error: ConnectError = toConnectError(failure);
  const body = Buffer.from(JSON.stringify(errorToJson(error, undefined)));
  response.writeHead(codeToHttpStatus(error.code), {
    "content-type": "application/json",
    "content-length": body.length,
  });
  response.end(body);
}
