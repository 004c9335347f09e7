import { type ContextValues, createContextKey, createContextValues, type HandlerContext } from "@connectrpc/connect";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import type { DomainError } from "../domain/errors.js";
import { baseUrlOf } from "./base-url.js";
import type { CallFacts } from "./funnel.js";

type Handler = ReturnType<typeof connectNodeAdapter>;
export type Request = Parameters<Handler>[0];
export type Response = Parameters<Handler>[1];

/** One HTTP exchange, as what is below Connect sees it. */
export interface Exchange {
  response: Response;
  address: string;
  /** The address of this server, as the client knows it. */
  baseUrl: string;
  requestId: string;
  json: boolean;
  binary: boolean;
  /** Why the request is refused although Connect was given one it understands. */
  refusal: DomainError | undefined;
}

/** Where a handler finds its exchange. */
export const kExchange = createContextKey<Exchange>(undefined as never, { description: "the HTTP exchange" });

/** A call by GET names its encoding elsewhere, so that it is sure of nothing. */
const BINARY = /^application\/(proto|grpc|grpc-web)(\+proto)?$/;

/** Begins an exchange: the values that Connect hands to the handler, and the way to refuse it. */
export function createExchange(request: Request, response: Response, address: string, requestId: string) {
  const type = String(request.headers["content-type"] ?? "");
  const json = type.includes("json");
  const baseUrl = baseUrlOf(request as Parameters<typeof baseUrlOf>[0]);
  const exchange: Exchange = {
    response,
    address,
    baseUrl,
    requestId,
    json,
    binary: BINARY.test(type),
    refusal: undefined,
  };
  const values: ContextValues = createContextValues().set(kExchange, exchange);
  return {
    values,
    refuse(refusal: DomainError | undefined) {
      exchange.refusal = refusal;
    },
  };
}

/**
 * Whether a request, read to its end, was given up by its client. Node ends the body of a stream of HTTP/2 that is reset like any other,
 * and what came of it may happen to be a whole message: it must not be taken for one.
 */
export function wasReset(request: Request): boolean {
  // A request that is over has lost its stream, whatever the type says.
  return "stream" in request && (request.stream as typeof request.stream | undefined)?.closed !== false;
}

export function factsOf(context: HandlerContext): CallFacts {
  const { address, baseUrl, requestId, binary, refusal } = context.values.get(kExchange);
  return {
    header: (name) => context.requestHeader.get(name) ?? undefined,
    requestId,
    address,
    baseUrl: () => baseUrl,
    binary,
    refusal,
    signal: context.signal,
  };
}
