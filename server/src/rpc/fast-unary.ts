import { create, fromBinary, fromJsonString, type Message, toBinary, toJsonString } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { DomainError } from "../domain/errors.js";
import { toConnectError, type WireError, wireError } from "./errors.js";
import type { Request, Response } from "./exchange.js";
import type { CallFacts } from "./funnel.js";
import type { UnaryMethod, UnaryTable } from "./unary-table.js";

type Codec = "proto" | "json";

export interface FastUnaryOptions {
  requestBytes: number;
  addressOf(request: Request): string;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Serves the plain case of a unary call, POST with an uncompressed application/proto or application/json body, without Connect's
 * pipeline of streams and signals, which costs more than the call itself. Everything else goes to Connect. Both end in the same funnel.
 */
export function createFastUnary(
  table: UnaryTable,
  options: FastUnaryOptions,
  viaConnect: (request: Request, response: Response) => void,
): (request: Request, response: Response) => void {
  return (request, response) => {
    const codec = codecOf(request);
    const method = codec === undefined ? undefined : table.at(request.url ?? "");
    if (codec === undefined || method === undefined) viaConnect(request, response);
    else serve(method, codec, options, request, response);
  };
}

function codecOf({ method, headers }: Request): Codec | undefined {
  if (method !== "POST" || headers["connect-timeout-ms"] !== undefined) return undefined;
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") return undefined;
  const type = headers["content-type"];
  if (type === "application/proto") return "proto";
  return type === "application/json" || type === "application/json; charset=utf-8" ? "json" : undefined;
}

function serve(
  method: UnaryMethod,
  codec: Codec,
  { requestBytes, addressOf }: FastUnaryOptions,
  request: Request,
  response: Response,
): void {
  const chunks: Buffer[] = [];
  let length = 0;
  const tooLarge = () => {
    request.pause();
    const error = new DomainError(ErrorReason.TOO_LARGE, `the request is larger than ${requestBytes} bytes`, {
      metadata: { limit: String(requestBytes) },
    });
    // What is still under way is not read, so the connection cannot be used again.
    if (request.httpVersionMajor === 1) response.setHeader("connection", "close");
    answerError(response, wireError(error, ""));
  };
  if (Number(request.headers["content-length"] ?? 0) > requestBytes) {
    tooLarge();
    return;
  }
  request.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length > requestBytes) {
      request.removeAllListeners("data");
      request.removeAllListeners("end");
      tooLarge();
    } else chunks.push(chunk);
  });
  request.on("end", () => {
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length);
    void run(method, codec, body, factsOf(request, response, addressOf(request)), response);
  });
  request.on("error", () => undefined);
}

async function run(
  entry: UnaryMethod,
  codec: Codec,
  body: Buffer,
  facts: CallFacts,
  response: Response,
): Promise<void> {
  const { method } = entry;
  try {
    const message = decode(entry, codec, body);
    const answer = create(method.output, await entry.run(message, facts));
    const bytes =
      codec === "proto" ? toBinary(method.output, answer) : Buffer.from(toJsonString(method.output, answer));
    response.writeHead(200, { "content-type": `application/${codec}`, "content-length": bytes.length });
    response.end(bytes);
  } catch (failure) {
    answerError(response, isWireError(failure) ? failure : wireError(failure, ""));
  }
}

function decode({ method }: UnaryMethod, codec: Codec, body: Buffer): Message {
  try {
    if (codec === "proto") return fromBinary(method.input, body);
    return fromJsonString(method.input, utf8.decode(body), { ignoreUnknownFields: true });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new DomainError(ErrorReason.INVALID_FIELD, `the request cannot be parsed: ${text}`);
  }
}

function factsOf(request: Request, response: Response, address: string): CallFacts {
  let controller: AbortController | undefined;
  return {
    header(name) {
      const value = request.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    address,
    // Few calls wait, so few need to know that their caller has left.
    get signal() {
      if (controller === undefined) {
        const left = new AbortController();
        controller = left;
        response.once("close", () => left.abort());
      }
      return controller.signal;
    },
  };
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

function isWireError(failure: unknown): failure is WireError {
  return typeof failure === "object" && failure !== null && "detail" in failure && "code" in failure;
}
