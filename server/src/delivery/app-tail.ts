import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { LogEvent, LogState, TransientEvent } from "../ports.js";
import { isRoomPlace, sessionAudience, userAudience } from "../store/audience.js";
import { encodeCursor } from "../store/cursor.js";
import { generationAt, type Stay } from "../store/log.js";
import { type EncodedEvent, encodeEvent } from "./frames.js";
import { createRoutes } from "./routes.js";
import type { Subscription } from "./subscription.js";

/** The live end of one app's log on this node: the watermark and who listens. */
export interface AppTail {
  readonly appId: string;
  /** The log as of the watermark; `head` is the watermark. */
  state(): LogState;
  watermark(): number;
  cursorAt(pos: number): string;
  encode(event: { kind: number; pos: number; payload: Uint8Array }): EncodedEvent;
  /** Delivers the events after the watermark; the first of them is the next one. What was delivered before is passed over. */
  apply(events: readonly LogEvent[]): void;
  /** A generation begins beyond the watermark. */
  begin(generation: LogState["generations"][number]): void;
  transient(event: TransientEvent): void;
  raiseFloor(pos: number): void;
  add(subscription: Subscription, audiences: readonly string[], loadStays: () => Promise<Stay[]>): Promise<void>;
  remove(subscription: Subscription): void;
  /** The open streams of a session: one, and for a moment those it replaces. */
  ofSession(sessionId: string): Iterable<Subscription>;
  /** The open streams of a user, oldest first. */
  ofUser(userId: string): Iterable<Subscription>;
  all(): Iterable<Subscription>;
  /** Resolves when the watermark has passed a position, or the wait is over; tells whether it has. */
  passed(pos: number, signal: AbortSignal): Promise<boolean>;
  /** Whether nobody listens or waits. */
  isIdle(): boolean;
  /** Ends all streams and waits, those that still come too: the next who asks gets another tail. */
  abandon(): void;
  /** Ends all waits, and every stream, those that still come too, with the advice to come back after a delay within the spread. */
  drain(spreadMs: number): void;
}

export interface AppTailOptions {
  /** Told when the first listener of a room has come, and when the last one has left. */
  onRoom(room: string, hasListeners: boolean): void;
  /** Told of a stream that failed and was ended. */
  onError(error: unknown): void;
}

export function createAppTail(appId: string, initial: LogState, options: AppTailOptions): AppTail {
  let watermark = initial.head;
  let { floor } = initial;
  const generations = [...initial.generations];
  const routes = createRoutes<Subscription>(() => watermark, {
    onAudience(audience, hasListeners) {
      if (isRoomPlace(audience)) options.onRoom(audience, hasListeners);
    },
  });
  const subscriptions = new Set<Subscription>();
  const waiting = new Set<() => void>();
  let drainMs: number | undefined;
  let lost = false;
  let headCursor: { pos: number; cursor: string } | undefined;

  const state = (): LogState => ({ head: watermark, floor, generations });
  const cursorAt = (pos: number): string => {
    // Every quiet stream's heartbeat carries the watermark.
    if (headCursor?.pos === pos) return headCursor.cursor;
    const cursor = encodeCursor(appId, { generationId: generationAt(state(), pos), pos });
    if (pos === watermark) headCursor = { pos, cursor };
    return cursor;
  };
  const encode: AppTail["encode"] = ({ kind, pos, payload }) => encodeEvent(kind, pos, cursorAt(pos), payload);

  /** One stream's failure is its own: it must reach neither the others nor the committer, whose commit has happened. */
  const handOver = (subscription: Subscription, event: EncodedEvent, how: "push" | "pushTransient") => {
    try {
      subscription[how](event);
    } catch (error) {
      options.onError(error);
      sendBack(subscription);
    }
  };

  const deliver = (event: LogEvent, touched: Set<Subscription>) => {
    // Its content was deleted before it could be read.
    if (event.payload.length === 0) return;
    let encoded: EncodedEvent | undefined;
    routes.route(event, (subscription) => {
      encoded ??= encode(event);
      touched.add(subscription);
      handOver(subscription, encoded, "push");
    });
  };

  /** Ends the streams of a session that was revoked, before anything later reaches them. */
  const endRevoked = (event: LogEvent, before: number) => {
    for (const audience of event.audiences)
      for (const subscription of [...(routes.listeners(audience) ?? [])]) {
        if (audience !== sessionAudience(subscription.sessionId)) continue;
        subscription.flush(before);
        subscription.end({ reason: GoodbyeReason.SESSION_REVOKED, reconnect: false });
      }
  };

  const sendAway = (subscription: Subscription, spreadMs: number) =>
    subscription.end({
      reason: GoodbyeReason.DRAIN,
      reconnect: true,
      retryDelayMs: Math.round(Math.random() * spreadMs),
    });

  const sendBack = (subscription: Subscription) =>
    subscription.end({ reason: GoodbyeReason.INTERNAL, reconnect: true });

  return {
    appId,
    state,
    watermark: () => watermark,
    cursorAt,
    encode,
    apply(events) {
      const fresh = events[0]?.pos === watermark + 1 ? events : events.filter((event) => event.pos > watermark);
      if (lost || fresh.length === 0) return;
      const before = watermark;
      const touched = new Set<Subscription>();
      for (const event of fresh) {
        // The routes are as of the event that is being routed.
        watermark = event.pos;
        deliver(event, touched);
        if (event.kind === EventKind.SESSION_REVOKED) endRevoked(event, before);
      }
      for (const subscription of touched) subscription.flush(before);
      for (const wake of [...waiting]) wake();
    },
    begin(generation) {
      generations.push(generation);
      generations.sort((a, b) => a.firstPos - b.firstPos);
      headCursor = undefined;
    },
    transient(event) {
      let encoded: EncodedEvent | undefined;
      routes.route({ ...event, pos: 0 }, (subscription) => {
        encoded ??= encodeEvent(event.kind, 0, "", event.payload);
        handOver(subscription, encoded, "pushTransient");
      });
    },
    raiseFloor(pos) {
      floor = Math.max(floor, pos);
    },
    async add(subscription, audiences, loadStays) {
      subscriptions.add(subscription);
      if (drainMs !== undefined) sendAway(subscription, drainMs);
      // Who was on the way here when it was abandoned would wait for ever.
      if (lost) sendBack(subscription);
      await routes.add(subscription, subscription.userId, audiences, loadStays);
    },
    remove(subscription) {
      subscriptions.delete(subscription);
      routes.remove(subscription);
    },
    ofSession: (sessionId) => routes.listeners(sessionAudience(sessionId)) ?? [],
    ofUser: (userId) => routes.listeners(userAudience(userId)) ?? [],
    all: () => subscriptions,
    passed: (pos, signal) =>
      new Promise((resolve) => {
        const isOver = () => watermark > pos || signal.aborted || drainMs !== undefined || lost;
        if (isOver()) return resolve(watermark > pos);
        const wake = () => {
          if (!isOver()) return;
          waiting.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve(watermark > pos);
        };
        waiting.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      }),
    isIdle: () => subscriptions.size === 0 && waiting.size === 0,
    abandon() {
      lost = true;
      for (const subscription of [...subscriptions]) sendBack(subscription);
      for (const wake of [...waiting]) wake();
    },
    drain(spreadMs) {
      drainMs = spreadMs;
      for (const subscription of [...subscriptions]) sendAway(subscription, spreadMs);
      for (const wake of [...waiting]) wake();
    },
  };
}
