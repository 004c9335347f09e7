import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { createExchange, type Request, type Response, wasReset } from "./exchange.js";
import { checkRequest } from "./request-check.js";
import { requestIdOf } from "./request-id.js";

export interface ConnectHandlerOptions {
  requestBytes: number;
  maxTimeoutMs: number;
  addressOf(request: Request): string;
  newId(): string;
  fallback(request: Request, response: Response): void;
  /** Answers that something went wrong. */
  internal(request: Request, response: Response): void;
  /** Told of a call that Connect could not answer. */
  onError(error: unknown, method: DescMethod, requestId: string): void;
}

/** Serves everything that a router of Connect knows, in its three protocols. Each request is checked before Connect reads it. */
export function createConnectHandler(
  router: ConnectRouter,
  options: ConnectHandlerOptions,
): (request: Request, response: Response) => void {
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const handler = handlers.get(request.url?.split("?", 2)[0] ?? "");
    if (handler === undefined) {
      options.fallback(request, response);
      return;
    }
    const requestId = requestIdOf(request.headers["x-request-id"], options.newId);
    serve(handler, options, request, response, requestId).catch((error: unknown) => {
      if (isGone(error)) return;
      options.onError(error, handler.method, requestId);
      if (response.headersSent) response.destroy();
      else options.internal(request, response);
    });
  };
}

async function serve(
  handler: UniversalHandler,
  { requestBytes, addressOf, maxTimeoutMs }: ConnectHandlerOptions,
  request: Request,
  response: Response,
  requestId: string,
): Promise<void> {
  // A request that was given up no longer knows its socket.
  const { socket } = request;
  const exchange = createExchange(request, response, addressOf(request), requestId);
  let universal = universalRequestFromNodeRequest(request, response, undefined, exchange.values);
  limitDeadline(universal.header, handler.method, maxTimeoutMs);
  // A client's stream has no one message to look at; of ours only reflection takes one.
  if (handler.method.methodKind === "unary" || handler.method.methodKind === "server_streaming") {
    const checked = await checkRequest(universal, handler.method, requestBytes);
    if (wasReset(request)) return;
    universal = checked.request;
    exchange.refuse(checked.refusal);
  }
  // A body that is not read to its end would be taken for the next request.
  if (request.httpVersionMajor === 1 && !request.complete) {
    response.setHeader("connection", "close");
    response.once("finish", () => socket.destroySoon());
  }
  const answer = await handler(universal);
  if (answer.status === 405) answer.header = allow(handler.method, answer.header);
  await universalResponseToNodeResponse(answer, response);
}

/** Whether a failure is that the client went away, in the middle of its request or of the answer. */
function isGone(error: unknown): boolean {
  if (error instanceof Error && "code" in error && LEFT.has(String(error.code))) return true;
  return ConnectError.from(error).code === Code.Aborted;
}

const LEFT: ReadonlySet<string> = new Set(["ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED"]);

const GRPC_UNITS_MS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };

/** Connect refuses a long deadline; a long patience is no mistake. A stream has none but its client's own. */
function limitDeadline(header: Headers, method: DescMethod, mostMs: number): void {
  const [, amount, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(header.get("grpc-timeout") ?? "") ?? [];
  const connect = header.get("connect-timeout-ms") ?? "";
  if (method.methodKind === "server_streaming") {
    if (amount !== undefined) header.delete("grpc-timeout");
    if (/^\d{1,10}$/.test(connect)) header.delete("connect-timeout-ms");
    return;
  }
  if (Number(amount) * (GRPC_UNITS_MS[unit] ?? 0) > mostMs) header.set("grpc-timeout", `${mostMs}m`);
  if (/^\d{1,10}$/.test(connect) && Number(connect) > mostMs) header.set("connect-timeout-ms", String(mostMs));
}

function allow(method: DescMethod, header: Headers | undefined): Headers {
  const allowed = new Headers(header);
  allowed.set("allow", method.idempotency === Idempotency.NO_SIDE_EFFECTS ? "GET, POST" : "POST");
  return allowed;
}
