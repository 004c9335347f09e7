import type { DescMethodServerStreaming, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { Ctx } from "../domain/context.js";
import type { Timer } from "../ops/clock.js";
import { toConnectError, type WireError } from "./errors.js";
import { type Exchange, factsOf, kExchange } from "./exchange.js";
import type { Call, Funnel } from "./funnel.js";

/** The implementation of a call that answers by a list of any length: each item is made when the client has taken the one before. */
type Work<M extends DescMethodServerStreaming> = (
  call: Call,
  request: MessageShape<M["input"]>,
) => AsyncIterable<MessageInitShape<M["output"]>>;

/**
 * Serves such a call behind the funnel. The work holds nothing between two items that would have to be given back: Connect never finishes the
 * generator of a client that takes no more, which is cut after the time of a stalled write.
 */
export function serverStream<M extends DescMethodServerStreaming>(
  { ctx, funnel }: { ctx: Ctx; funnel: Funnel },
  method: M,
  work: Work<M>,
) {
  return async function* (
    request: MessageShape<M["input"]>,
    context: HandlerContext,
  ): AsyncGenerator<MessageInitShape<M["output"]>> {
    const { response }: Exchange = context.values.get(kExchange);
    const beganMs = performance.now();
    const call = await funnel.admit(method, request, factsOf(context)).catch((failure: WireError) => {
      throw toConnectError(failure);
    });
    let stall: Timer | undefined;
    context.signal.addEventListener("abort", () => stall?.cancel(), { once: true });
    try {
      for await (const item of work(call, request)) {
        if (context.signal.aborted) return;
        stall = ctx.clock.setTimer(() => void response.destroy(), ctx.times.writeStallMs);
        yield item;
        stall.cancel();
      }
    } catch (error) {
      throw toConnectError(funnel.fail(method, error, call.requestId));
    }
    funnel.succeed(method, beganMs);
  };
}
