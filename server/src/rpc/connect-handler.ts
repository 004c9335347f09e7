import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { createExchange, type Request, type Response } from "./exchange.js";
import { checkRequest } from "./request-check.js";

export interface ConnectHandlerOptions {
  requestBytes: number;
  addressOf(request: Request): string;
  fallback(request: Request, response: Response): void;
  onError(error: unknown, method: DescMethod): void;
}

/** Serves everything that a router of Connect knows, in its three protocols. Each request is checked before Connect reads it. */
export function createConnectHandler(
  router: ConnectRouter,
  options: ConnectHandlerOptions,
): (request: Request, response: Response) => void {
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const handler = handlers.get(request.url?.split("?", 2)[0] ?? "");
    if (handler === undefined) options.fallback(request, response);
    else
      serve(handler, options, request, response).catch((error: unknown) => {
        // The client went away.
        if (ConnectError.from(error).code !== Code.Aborted) options.onError(error, handler.method);
      });
  };
}

async function serve(
  handler: UniversalHandler,
  { requestBytes, addressOf }: ConnectHandlerOptions,
  request: Request,
  response: Response,
): Promise<void> {
  // A request that was given up no longer knows its socket.
  const { socket } = request;
  const exchange = createExchange(request, response, addressOf(request));
  let universal = universalRequestFromNodeRequest(request, response, undefined, exchange.values);
  // A client's stream has no one message to look at; of ours only reflection takes one.
  if (handler.method.methodKind === "unary" || handler.method.methodKind === "server_streaming") {
    const checked = await checkRequest(universal, handler.method, requestBytes);
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

function allow(method: DescMethod, header: Headers | undefined): Headers {
  const allowed = new Headers(header);
  allowed.set("allow", method.idempotency === Idempotency.NO_SIDE_EFFECTS ? "GET, POST" : "POST");
  return allowed;
}
