import { type ContextValues, createContextKey, createContextValues, type HandlerContext } from "@connectrpc/connect";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import type { CallFacts } from "./funnel.js";

type Handler = ReturnType<typeof connectNodeAdapter>;
export type Request = Parameters<Handler>[0];
export type Response = Parameters<Handler>[1];

/** One HTTP exchange, as what is below Connect sees it. */
export interface Exchange {
  response: Response;
  address: string;
  json: boolean;
}

/** Where a handler finds its exchange. Connect gives contexts the request alone, so the two are paired on the way in. */
export const kExchange = createContextKey<Exchange>(undefined as never, { description: "the HTTP exchange" });

/** Pairs requests with their responses. */
export function createExchanges(addressOf: (request: Request) => string) {
  const responses = new WeakMap<Request, Response>();
  return {
    note: (request: Request, response: Response) => void responses.set(request, response),
    contextValues(request: Request): ContextValues {
      const response = responses.get(request);
      if (response === undefined) throw new Error("a request without a response");
      const json = String(request.headers["content-type"] ?? "").includes("json");
      return createContextValues().set(kExchange, { response, address: addressOf(request), json });
    },
  };
}

export function factsOf(context: HandlerContext): CallFacts {
  return {
    header: (name) => context.requestHeader.get(name) ?? undefined,
    address: context.values.get(kExchange).address,
    signal: context.signal,
  };
}
