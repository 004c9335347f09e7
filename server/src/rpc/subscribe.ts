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
import { type Codec, encodeEvent } from "../delivery/frames.js";
import type { Hub } from "../delivery/hub.js";
import { openStream, type StreamDeps } from "../delivery/open-stream.js";
import { responseSink } from "../delivery/sink.js";
import { startOf } from "../delivery/start.js";
import { asSession } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { DomainError, ErrorReason } from "../domain/errors.js";
import { createGate } from "../domain/gate.js";
import { presenceSnapshot } from "../domain/presence-events.js";
import { findSelf } from "../domain/self.js";
import { isWireError, toConnectError } from "./errors.js";
import { factsOf, kExchange, type Response } from "./exchange.js";
import type { CallFacts, Funnel } from "./funnel.js";
import type { StreamPlaces } from "./stream-places.js";

type Frame = MessageInitShape<typeof SubscribeResponseSchema>;

export interface SubscribeDeps {
  ctx: Ctx;
  funnel: Funnel;
  hub: Hub;
  streams: StreamDeps;
  places: StreamPlaces;
}

/** The way a stream leaves by. */
interface Way {
  response: Response;
  codec: Codec;
}

/** One call of Subscribe: gives the frames before and after the events, and writes the events itself meanwhile. What it throws is a WireError. */
export type Subscribe = (request: SubscribeRequest, facts: CallFacts, way: Way) => AsyncGenerator<Frame>;

/**
 * Whoever runs it writes what it gives: Connect, or the fast way. Between the first frames and the last delivery writes ready-made envelopes
 * straight to the response; the generator waits meanwhile, so that no two write at the same time.
 */
export function createSubscribe(deps: SubscribeDeps): Subscribe {
  const { ctx, funnel, hub, streams, places } = deps;
  const method = MessageService.method.subscribe;
  // Thousands come at once when a node dies. Were all let in step by step together, the first would be in no sooner than the last.
  const inTurn = createGate({
    atOnce: ctx.limits.streamsOpening,
    queue: ctx.limits.streams,
    retryDelayMs: ctx.times.drainMs,
  });

  const mustServe = () => {
    if (streams.mayOpen()) return;
    const retryDelayMs = ctx.times.drainMs;
    throw new DomainError(ErrorReason.SERVER_BUSY, "this server cannot reach its store just now", { retryDelayMs });
  };

  /** What is asked of the store for each stream. Nothing here may wait for anything else, for others wait for their turn. */
  const enter = async (request: SubscribeRequest, facts: CallFacts) => {
    mustServe();
    if (facts.signal.aborted) throw new DomainError(ErrorReason.CANCELED, "the call was cancelled");
    const call = await funnel.admit(method, request, facts);
    const caller = asSession(call.caller);
    return { call, caller, self: await findSelf(ctx, caller) };
  };

  const admit = async (request: SubscribeRequest, facts: CallFacts) => {
    try {
      mustServe();
      const { call, caller, self } = await inTurn(() => enter(request, facts));
      const tail = await hub.tail(caller.appId);
      const start = await startOf(streams.read, hub, tail, request.cursor);
      const [older] = tail.ofSession(caller.sessionId);
      places.take(call.address, older !== undefined, facts.signal);
      return {
        caller,
        createdPos: self.created_pos,
        hidden: self.invisible === 1,
        tail,
        start,
      };
    } catch (error) {
      throw isWireError(error) ? error : funnel.fail(method, error, facts.requestId);
    }
  };

  return async function* subscribe(request, facts, { response, codec }) {
    const { requestId } = facts;
    const { caller, createdPos, hidden, tail, start } = await admit(request, facts);
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
      streams,
      tail,
      {
        requestId,
        userId: caller.userId,
        sessionId: caller.sessionId,
        createdPos,
        pos: start.pos,
        kinds: request.kinds,
        codec,
        visible: request.presence !== PresenceMode.INVISIBLE,
        hidden,
      },
      responseSink(response),
      facts.signal,
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

/** Subscribe as Connect calls it. */
export function viaConnect(subscribe: Subscribe) {
  return async function* (request: SubscribeRequest, context: HandlerContext): AsyncGenerator<Frame> {
    const { response, json } = context.values.get(kExchange);
    try {
      yield* subscribe(request, factsOf(context), { response, codec: json ? "json" : "binary" });
    } catch (failure) {
      throw isWireError(failure) ? toConnectError(failure) : failure;
    }
  };
}
