import type { Limits, Times } from "../limits.js";
import type { Clock } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";
import type { Metrics } from "../ops/metrics.js";
import type { Bus, TransientEvent } from "../ports.js";
import { type AppTail, createAppTail } from "./app-tail.js";
import { startHeadPoll } from "./head-poll.js";
import { createInOrder, type InOrder } from "./in-order.js";
import type { LogReads } from "./log-reads.js";
import type { Subscription } from "./subscription.js";

/** All live streams of this node, by app. */
export interface Hub {
  /** The tail of an app's log: kept while it is used, and for a while after. */
  tail(appId: string): Promise<AppTail>;
  /** The tail of an app that is used on this node. */
  known(appId: string): AppTail | undefined;
  /** Resolves when a tail's watermark has passed a position, or the wait is over: by its time, its caller or a shutdown. Tells whether it has. */
  passed(tail: AppTail, pos: number, waitMs: number, signal?: AbortSignal): Promise<boolean>;
  /** The same for a position that is in the store: reads up to it. Tells whether the watermark has come that far. */
  catchUp(tail: AppTail, pos: number): Promise<boolean>;
  all(): Iterable<Subscription>;
  /** Sets the metrics of this moment. */
  measure(): Promise<void>;
  /** Tells retention's new floor. */
  raiseFloor(appId: string, pos: number): void;
  /** Ends every stream with the advice to come back after a spread of delays, and all waits for events. */
  drain(spreadMs: number): void;
  close(): void;
}

export interface HubOptions {
  log: LogReads;
  bus: Bus;
  clock: Clock;
  limits: Pick<Limits, "heldEvents" | "heldBytes">;
  times: Pick<Times, "repairMs" | "repairRetryMs" | "headPollMs" | "headPollDownMs" | "catchUpMs" | "tailIdleMs">;
  logger: Logger;
  metrics: Metrics;
  /** Whether a transient event that another node has published is no repeat; everything is new where this is absent. */
  isNew?: ((event: TransientEvent) => boolean) | undefined;
}

/** What there is of an app that is used on this node. */
interface Followed {
  tail: AppTail;
  inOrder: InOrder;
  usedMs: number;
}

const SWEEP_MS = 1000;

export function createHub(options: HubOptions): Hub {
  const { log, bus, clock, times, logger, metrics } = options;
  const apps = new Map<string, Followed>();
  let drainMs: number | undefined;
  // What comes while a tail is being opened is told to it in order.
  const opening = new Map<string, { tail: Promise<AppTail>; early: ((inOrder: InOrder) => void)[] }>();

  const open = async (appId: string, early: ((inOrder: InOrder) => void)[]): Promise<AppTail> => {
    // Heard before it is read, so that nothing lies between the two.
    bus.follow(appId);
    const state = await log.state(appId).catch((error: unknown) => {
      // The next who asks tries again.
      opening.delete(appId);
      bus.unfollow(appId);
      throw error;
    });
    const tail = createAppTail(appId, state, {
      onRoom: (room, hasListeners) => bus[hasListeners ? "follow" : "unfollow"](appId, room),
      onError: (error) => logger.error({ err: error, appId }, "an event could not be handed to a stream"),
    });
    const inOrder = createInOrder(tail, {
      ...options,
      onGap() {
        // Among nodes a hole is what the bus has lost; a node alone hears all of what it commits.
        if (bus.state() !== "alone") return;
        metrics.invariantViolations.inc({ invariant: "contiguous_ranges" });
        logger.error({ appId }, "a range of the log skipped positions; they are read from the store");
      },
      onRepair: () => metrics.logRepairs.inc(),
      onError: (error) => logger.warn({ err: error, appId }, "what is missing of a log could not be read yet"),
      onLost() {
        logger.error({ appId }, "the log is not the one that was delivered; its streams are sent back, to begin anew");
        leave(appId);
      },
    });
    apps.set(appId, { tail, inOrder, usedMs: clock.mono() });
    opening.delete(appId);
    for (const tell of early) tell(inOrder);
    if (drainMs !== undefined) tail.drain(drainMs);
    return tail;
  };

  const leave = (appId: string) => {
    const app = apps.get(appId);
    if (app === undefined) return;
    apps.delete(appId);
    app.inOrder.close();
    app.tail.abandon();
    bus.unfollow(appId);
  };

  const hear = (appId: string, tell: (inOrder: InOrder) => void) => {
    opening.get(appId)?.early.push(tell);
    const app = apps.get(appId);
    if (app !== undefined) tell(app.inOrder);
  };

  const passed: Hub["passed"] = async (tail, pos, waitMs, signal) => {
    const over = new AbortController();
    const stop = () => over.abort();
    const timer = clock.setTimer(stop, waitMs, { keepAlive: true });
    signal?.addEventListener("abort", stop, { once: true });
    const hasPassed = await tail.passed(pos, over.signal);
    timer.cancel();
    signal?.removeEventListener("abort", stop);
    return hasPassed;
  };

  const hub: Hub = {
    async tail(appId) {
      const found = apps.get(appId);
      if (found !== undefined) {
        found.usedMs = clock.mono();
        return found.tail;
      }
      let begun = opening.get(appId);
      if (begun === undefined) {
        const early: ((inOrder: InOrder) => void)[] = [];
        begun = { tail: open(appId, early), early };
        opening.set(appId, begun);
      }
      return await begun.tail;
    },
    known: (appId) => apps.get(appId)?.tail,
    passed,
    async catchUp(tail, pos) {
      if (tail.watermark() >= pos) return true;
      apps.get(tail.appId)?.inOrder.catchUp(pos);
      return await passed(tail, pos - 1, times.catchUpMs);
    },
    *all() {
      for (const { tail } of apps.values()) yield* tail.all();
    },
    raiseFloor: (appId, pos) => apps.get(appId)?.tail.raiseFloor(pos),
    drain(spreadMs) {
      drainMs = spreadMs;
      for (const { tail } of apps.values()) tail.drain(spreadMs);
    },
    async measure() {
      const count = { live: 0, reading: 0 };
      let queued = 0;
      for (const subscription of hub.all()) {
        queued += subscription.queuedBytes();
        count[subscription.isLive ? "live" : "reading"]++;
      }
      metrics.streamQueueBytes.set(queued);
      for (const state of ["live", "reading"] as const) metrics.sessions.set({ state }, count[state]);
      let held = 0;
      for (const { inOrder } of apps.values()) held += inOrder.held;
      metrics.heldEvents.set(held);
      metrics.busUp.set(bus.state() === "down" ? 0 : 1);
      let lag = 0;
      for (const { appId, head } of await log.heads())
        lag = Math.max(lag, head - (apps.get(appId)?.tail.watermark() ?? head));
      metrics.watermarkLag.set(lag);
    },
    close() {
      sweep.cancel();
      poll.close();
      for (const { inOrder } of apps.values()) inOrder.close();
    },
  };

  bus.subscribe({
    range: (range) => hear(range.appId, (inOrder) => inOrder.range(range)),
    doorbell: (bell) => hear(bell.appId, (inOrder) => inOrder.doorbell(bell)),
    transient(event, own) {
      if (own || (options.isNew?.(event) ?? true)) apps.get(event.appId)?.tail.transient(event);
    },
  });
  const poll = startHeadPoll({
    ...options,
    appIds: () => [...apps.keys()],
    onEnd: (end, isAll) => apps.get(end.appId)?.inOrder.found(end, isAll),
    onError: (error) => logger.warn({ err: error }, "the heads of the logs could not be read"),
  });

  // One timer beats for all streams: ten thousand timers would cost more than the look.
  const beat = () => {
    const nowMs = clock.mono();
    for (const subscription of hub.all()) subscription.beat(nowMs);
    for (const [appId, app] of apps) {
      if (!app.tail.isIdle()) app.usedMs = nowMs;
      else if (nowMs - app.usedMs >= times.tailIdleMs) leave(appId);
    }
    sweep = clock.setTimer(beat, SWEEP_MS);
  };
  let sweep = clock.setTimer(beat, SWEEP_MS);
  return hub;
}
