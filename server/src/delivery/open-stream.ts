import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { Limits, Times } from "../limits.js";
import type { Clock } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";
import type { Metrics } from "../ops/metrics.js";
import { EVERYONE, sessionAudience, userAudience } from "../store/audience.js";
import { readVisible } from "../store/log.js";
import type { Db } from "../store/schema.js";
import { findOpening, type Opening } from "../store/sessions.js";
import type { AppTail } from "./app-tail.js";
import type { Codec, EncodedEvent } from "./frames.js";
import type { Liveness } from "./liveness.js";
import type { Sink } from "./sink.js";
import { createSubscription, type Ending, type Subscription } from "./subscription.js";

export interface StreamDeps {
  read: Db;
  clock: Clock;
  limits: Limits;
  times: Times;
  logger: Logger;
  metrics: Metrics;
  liveness: Liveness;
  /** Whether this node may hold streams just now. */
  mayOpen(): boolean;
  /** Resolves when the store knows, if it is to know, that a session is here. */
  written(appId: string, sessionId: string): Promise<void>;
}

/** Who opens a stream, and from where on. */
export interface StreamRequest {
  /** Names the call in the log. */
  requestId: string;
  userId: string;
  sessionId: string;
  /** The head of the log when the user came to be. */
  createdPos: number;
  /** The position everything up to which the client has. */
  pos: number;
  kinds: readonly number[];
  codec: Codec;
  visible: boolean;
  /** Whether the user was shown as offline when it was let in. */
  hidden: boolean;
}

type Chunk = Exclude<Awaited<ReturnType<typeof readVisible>>, "expired">;

/** After these a client does not come back by itself. */
const STAYS_AWAY: ReadonlySet<GoodbyeReason> = new Set([
  GoodbyeReason.PAUSED,
  GoodbyeReason.SESSION_REVOKED,
  GoodbyeReason.DISCONNECTED,
]);
const ALWAYS: ReadonlySet<number> = new Set([EventKind.SESSION_REVOKED]);

/** Serves one stream until it is over. `onlineFriends` gives what is told of them before caught_up. */
export async function openStream(
  deps: StreamDeps,
  tail: AppTail,
  request: StreamRequest,
  sink: Sink,
  signal: AbortSignal,
  onlineFriends: () => Promise<readonly EncodedEvent[]>,
): Promise<Ending> {
  const { read, limits, times } = deps;
  const { userId, sessionId } = request;
  if (!deps.mayOpen()) return { reason: GoodbyeReason.DRAIN, reconnect: true, retryDelayMs: times.drainMs };
  const reader = { userId, sessionId, createdPos: request.createdPos };
  const subscription: Subscription = createSubscription({
    userId,
    sessionId,
    codec: request.codec,
    kinds: new Set(request.kinds),
    always: ALWAYS,
    pos: request.pos,
    sink,
    clock: deps.clock,
    heartbeatMs: times.heartbeatMs,
    writeStallMs: times.writeStallMs,
    queueBytes: limits.streamQueueBytes,
    watermark: () => tail.state().head,
    cursorAt: tail.cursorAt,
    async prelude() {
      // The stream hears live events only once it knows its places as of the watermark.
      const head = tail.state().head;
      const audiences = [EVERYONE, userAudience(userId), sessionAudience(sessionId)];
      let opening: Opening | undefined;
      await tail.add(subscription, audiences, async () => {
        opening = await findOpening(read, tail.appId, sessionId, head);
        return opening?.stays ?? [];
      });
      // The session may have ended after the call was let in; from here on the stream hears of it.
      if (opening === undefined) return subscription.end({ reason: GoodbyeReason.SESSION_REVOKED, reconnect: false });
      // Nor did it hear how the user wants to be shown, if that was changed meanwhile.
      if (opening.hidden !== request.hidden) deps.liveness.hide(tail.appId, userId, opening.hidden);
    },
    async onlineFriends() {
      // Whoever is told that it has caught up is here for everybody.
      await deps.written(tail.appId, sessionId);
      return await onlineFriends();
    },
    onFellBehind: () => deps.metrics.liveToReading.inc(),
    onError: (error) => deps.logger.error({ err: error, sessionId, requestId: request.requestId }, "a stream failed"),
    async read(from, to) {
      if (from < tail.state().floor) return "expired";
      const whole = await readVisible(read, tail.appId, reader, from, to, limits.streamChunkEvents);
      if (whole === "expired") return "expired";
      const chunk = firstBytes(whole, limits.streamQueueBytes / 2);
      // The content of a deleted event is blanked in place.
      const events = chunk.events.filter((event) => event.payload.length > 0).map(tail.encode);
      return { events, upTo: chunk.upTo };
    },
  });
  replaceOlder(tail, request, limits.streamsPerUser);
  const running = subscription.run(signal);
  const leave = deps.liveness.arrive(tail.appId, subscription, request);
  // On the ending, not in `finally`: Connect never finishes the generator of a stalled stream.
  void running.then((ending) => {
    tail.remove(subscription);
    leave(ending.reason !== undefined && STAYS_AWAY.has(ending.reason) ? "once" : "grace");
  });
  return await running;
}

/** As much of a chunk as may wait in memory for one slow consumer, and at least one event. */
function firstBytes(chunk: Chunk, most: number): Chunk {
  const events: Chunk["events"] = [];
  let bytes = 0;
  for (const event of chunk.events) {
    bytes += event.payload.length;
    if (bytes > most && events.length > 0) break;
    events.push(event);
  }
  if (events.length === chunk.events.length) return chunk;
  return { events, upTo: events.at(-1)?.pos ?? chunk.upTo };
}

/** One stream a session, and a bound on those of a user: the oldest makes room. */
function replaceOlder(tail: AppTail, { userId, sessionId }: StreamRequest, most: number): void {
  for (const older of [...tail.ofSession(sessionId)]) older.end({ reason: GoodbyeReason.REPLACED, reconnect: false });
  const others = [...tail.ofUser(userId)].filter((other) => other.sessionId !== sessionId);
  if (others.length >= most) others[0]?.end({ reason: GoodbyeReason.TOO_MANY_STREAMS, reconnect: false });
}
