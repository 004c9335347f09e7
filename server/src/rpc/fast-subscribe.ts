import { create } from "@bufbuild/protobuf";
import { endStreamFlag, endStreamToJson } from "@connectrpc/connect/protocol-connect";
import {
  MessageService,
  type SubscribeRequest,
  SubscribeRequestSchema,
} from "@parley/proto/parley/v1/message_service_pb.js";
import { type Codec, controlFrame } from "../delivery/frames.js";
import { DomainError, ErrorReason } from "../domain/errors.js";
import { decodeRequest, malformed, tooLarge } from "./decode-request.js";
import { isWireError, toConnectError, type WireError } from "./errors.js";
import type { Request, Response } from "./exchange.js";
import { lazyAbort, plainFacts, readBody } from "./fast-request.js";
import type { FastOptions } from "./fast-unary.js";
import { ENVELOPE_BYTES } from "./request-check.js";
import { requestIdOf } from "./request-id.js";
import type { Subscribe } from "./subscribe.js";

const METHOD = MessageService.method.subscribe;
const PATH = `/${MessageService.typeName}/${METHOD.name}`;
const CODECS: Record<string, Codec> = { "application/connect+proto": "binary", "application/connect+json": "json" };
const NO_METADATA = new Headers();

/**
 * Serves the plain case of Subscribe, an uncompressed request of the Connect protocol, without Connect's pipeline, which holds more
 * than half of the memory of an idle stream (ADR 5). Everything else is passed on.
 */
export function createFastSubscribe(
  subscribe: Subscribe,
  options: FastOptions,
  otherwise: (request: Request, response: Response) => void,
): (request: Request, response: Response) => void {
  return (request, response) => {
    const codec = request.url === PATH && isPlain(request) ? CODECS[request.headers["content-type"] ?? ""] : undefined;
    if (codec === undefined) otherwise(request, response);
    else serve(subscribe, codec, options, request, response);
  };
}

function isPlain({ method, headers }: Request): boolean {
  const { "connect-content-encoding": encoding, "connect-protocol-version": version } = headers;
  if (method !== "POST" || (version !== undefined && version !== "1")) return false;
  if (encoding !== undefined && encoding !== "identity") return false;
  // A stream has no deadline but its client's own; an odd one is Connect's to refuse.
  const timeout = headers["connect-timeout-ms"];
  return timeout === undefined || /^\d{1,10}$/.test(String(timeout));
}

function serve(subscribe: Subscribe, codec: Codec, options: FastOptions, request: Request, response: Response): void {
  const { requestBytes } = options;
  const requestId = requestIdOf(request.headers["x-request-id"], options.newId);
  const facts = plainFacts(request, requestId, options.addressOf(request), codec === "binary", lazyAbort(response));
  readBody(request, requestBytes + ENVELOPE_BYTES, (body) => {
    // What is still under way is not read, so the connection cannot be used again.
    if (body === undefined && request.httpVersionMajor === 1) response.setHeader("connection", "close");
    const { message, refusal } = readRequest(body, codec, requestBytes);
    const fail = (error: unknown) => (isWireError(error) ? error : options.fail(METHOD, error, requestId));
    void run(
      subscribe(message, { ...facts, signal: facts.signal, refusal }, { response, codec }),
      codec,
      response,
      fail,
    );
  });
}

/** The request that a body holds in its envelope, or the reason to refuse it with an empty one in its place. */
function readRequest(
  body: Buffer | undefined,
  codec: Codec,
  most: number,
): { message: SubscribeRequest; refusal: DomainError | undefined } {
  try {
    if (body === undefined) throw tooLarge(most);
    if (body.length === 0) throw notOne("there is no message");
    const end = endOfFirst(body);
    if (end > most + ENVELOPE_BYTES && end !== Number.POSITIVE_INFINITY) throw tooLarge(most);
    if (body.length < end) throw malformed("the message is cut short");
    if (body.length >= end + endOfFirst(body.subarray(end))) throw notOne("there is more than one message");
    if (body.length > end) throw malformed("something follows the message");
    if (body[0] !== 0) throw malformed(`an envelope with flags ${body[0]} is not known`);
    const bytes = body.subarray(ENVELOPE_BYTES);
    const message = decodeRequest(SubscribeRequestSchema, codec === "json" ? "json" : "proto", bytes);
    return { message: message as SubscribeRequest, refusal: undefined };
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return { message: create(SubscribeRequestSchema), refusal: error };
  }
}

/** Where the first of the enveloped messages ends; nowhere when not even its length is there. */
function endOfFirst(body: Buffer): number {
  return body.length < ENVELOPE_BYTES ? Number.POSITIVE_INFINITY : ENVELOPE_BYTES + body.readUInt32BE(1);
}

/** Streams of requests are not of this contract. */
function notOne(text: string): DomainError {
  return new DomainError(ErrorReason.UNSUPPORTED, `the request cannot be parsed: ${text}`);
}

async function run(
  frames: ReturnType<Subscribe>,
  codec: Codec,
  response: Response,
  fail: (error: unknown) => WireError,
): Promise<void> {
  let failure: WireError | undefined;
  response.setHeader("content-type", codec === "binary" ? "application/connect+proto" : "application/connect+json");
  response.setHeader("connect-accept-encoding", "gzip");
  try {
    for await (const { frame } of frames) response.write(controlFrame(codec, frame));
  } catch (error) {
    failure = fail(error);
  }
  if (response.destroyed) return;
  const error = failure === undefined ? undefined : toConnectError(failure);
  const end = Buffer.from(JSON.stringify(endStreamToJson(NO_METADATA, error, undefined)));
  const head = Buffer.from([endStreamFlag, 0, 0, 0, 0]);
  head.writeUInt32BE(end.length, 1);
  response.end(Buffer.concat([head, end]));
}
