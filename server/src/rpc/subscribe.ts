import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import {
  MessageService,
  PresenceMode,
  ResyncReason,
  type SubscribeRequest,
  type SubscribeResponseSchema,
} from "@parley/proto/parley/v1/message_service_pb.js";
import { encodeEvent } from "../delivery/frames.js";
import type { Hub } from "../delivery/hub.js";
import { openStream, type StreamDeps } from "../delivery/open-stream.js";
import { responseSink } from "../delivery/sink.js";
import { startOf } from "../delivery/start.js";
import { asSession } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { presenceSnapshot } from "../domain/presence-events.js";
import { findSelf } from "../domain/self.js";
import { toConnectError } from "./errors.js";
import { type Exchange, factsOf, kExchange } from "./exchange.js";
import type { Funnel } from "./funnel.js";
import type { StreamPlaces } from "./stream-places.js";

type Frame = MessageInitShape<typeof SubscribeResponseSchema>;

export interface SubscribeDeps {
  ctx: Ctx;
  funnel: Funnel;
  hub: Hub;
  streams: StreamDeps;
  places: StreamPlaces;
}

/**
 * Connect negotiates, opens the stream and writes its first and last frames; between them delivery writes ready-made envelopes
 * straight to the response. The generator waits meanwhile, so the two never write at the same time.
 */
export function subscribeHandler(deps: SubscribeDeps) {
  const { ctx, funnel, hub, streams, places } = deps;
  const method = MessageService.method.subscribe;

  const admit = async (request: SubscribeRequest, context: HandlerContext) => {
    const call = await funnel.admit(method, request, factsOf(context));
    try {
      const caller = asSession(call.caller);
      const self = await findSelf(ctx, caller);
      const logger = streams.logger.child({ requestId: call.requestId });
      const tail = await hub.tail(caller.appId);
      const [older] = tail.ofSession(caller.sessionId);
      places.take(call.address, older !== undefined, context.signal);
      return {
        caller,
        requestId: call.requestId,
        logger,
        createdPos: self.created_pos,
        hidden: self.invisible === 1,
        tail,
      };
    } catch (error) {
      throw funnel.fail(method, error, call.requestId);
    }
  };

  return async function* subscribe(request: SubscribeRequest, context: HandlerContext): AsyncGenerator<Frame> {
    const exchange: Exchange = context.values.get(kExchange);
    const { caller, requestId, logger, createdPos, hidden, tail } = await admit(request, context).catch((failure) => {
      throw toConnectError(failure);
    });
    const start = startOf(tail, request.cursor);
    if (start.resync === ResyncReason.HISTORY_CHANGED) funnel.tellLostHistory(method, requestId);
    yield {
      frame: {
        case: "started",
        value: {
          sessionId: caller.sessionId,
          resumed: start.resync === undefined,
          heartbeatInterval: durationFromMs(ctx.times.heartbeatMs),
          serverTime: timestampFromMs(ctx.clock.now()),
          cursor: start.cursor,
        },
      },
    };
    if (start.resync !== undefined) yield { frame: { case: "resyncRequired", value: { reason: start.resync } } };
    const ending = await openStream(
      { ...streams, logger },
      tail,
      {
        userId: caller.userId,
        sessionId: caller.sessionId,
        createdPos,
        pos: start.pos,
        kinds: request.kinds,
        codec: exchange.json ? "json" : "binary",
        visible: request.presence !== PresenceMode.INVISIBLE,
        hidden,
      },
      responseSink(exchange.response),
      context.signal,
      async () => {
        const online = await presenceSnapshot(ctx, caller.appId, caller.userId);
        return online.map((event) => encodeEvent(event.kind, 0, "", event.payload));
      },
    );
    if (ending.reason === undefined) return;
    const { reason, reconnect, retryDelayMs } = ending;
    const value = {
      reason,
      reconnect,
      ...(retryDelayMs === undefined ? {} : { retryDelay: durationFromMs(retryDelayMs) }),
    };
    yield { frame: { case: "goodbye", value } };
  };
}
