import type { DescMethodUnary, DescService, Message, MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { Ctx } from "../domain/context.js";
import type { Audit } from "./audited.js";
import { toConnectError, type WireError } from "./errors.js";
import { factsOf } from "./exchange.js";
import type { Call, CallFacts, Funnel, Handlers } from "./funnel.js";

/** One unary method behind the funnel. What it throws is a WireError. */
export interface UnaryMethod {
  method: DescMethodUnary;
  run(request: Message, facts: CallFacts): Promise<MessageInitShape<DescMethodUnary["output"]>>;
}

/** All unary methods of the contract, however they are reached. */
export interface UnaryTable {
  /** Adds a service. `make` makes its handlers over another context, for calls that are recorded with what they change. */
  add<S extends DescService>(service: S, handlers: Handlers<S>, make?: (ctx: Ctx) => Handlers<S>): void;
  /** The method at a path such as /parley.v1.MessageService/SendMessage. */
  at(path: string): UnaryMethod | undefined;
  /** A service's methods in the form Connect wants. */
  implementation(service: DescService): Record<string, ConnectMethod>;
}

/** A unary method in the form Connect wants. */
type ConnectMethod = (request: Message, context: HandlerContext) => Promise<never>;

type Work = (call: Call, request: Message) => Promise<MessageInitShape<DescMethodUnary["output"]>>;

/** Handlers that were typed by their service; here a service is one of many. */
const entriesOf = (handlers: object) => Object.entries(handlers) as [string, Work][];

export function createUnaryTable(funnel: Funnel, audit: Audit): UnaryTable {
  const byPath = new Map<string, UnaryMethod>();
  return {
    add(service, handlers, make) {
      for (const [name, handler] of entriesOf(handlers)) {
        const method = service.method[name] as DescMethodUnary;
        const handlerIn = (ctx: Ctx | undefined): Work =>
          ctx === undefined || make === undefined ? handler : (new Map(entriesOf(make(ctx))).get(name) ?? handler);
        const path = `/${service.typeName}/${method.name}`;
        if (byPath.has(path)) throw new Error(`${path} is there already`);
        byPath.set(path, {
          method,
          run: (request, facts) =>
            funnel.run(method, request, facts, (call) =>
              audit(method, call, request, (ctx) => handlerIn(ctx)(call, request)),
            ),
        });
      }
    },
    at: (path) => byPath.get(path),
    implementation(service) {
      const calls: Record<string, ConnectMethod> = {};
      for (const method of service.methods) {
        const entry = byPath.get(`/${service.typeName}/${method.name}`);
        if (entry === undefined) continue;
        calls[method.localName] = async (request, context) => {
          try {
            return (await entry.run(request, factsOf(context))) as never;
          } catch (failure) {
            throw toConnectError(failure as WireError);
          }
        };
      }
      return calls;
    },
  };
}
