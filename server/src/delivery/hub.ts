import type { Clock } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";
import type { Metrics } from "../ops/metrics.js";
import type { Bus, LogRange } from "../ports.js";
import { readHeads, readLogState } from "../store/log.js";
import type { Db } from "../store/schema.js";
import { type AppTail, createAppTail } from "./app-tail.js";
import type { Subscription } from "./subscription.js";

/** All live streams of this node, by app. */
export interface Hub {
  /** The tail of an app's log, from its first use on. */
  tail(appId: string): Promise<AppTail>;
  /** The tail of an app that was used on this node. */
  known(appId: string): AppTail | undefined;
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
  read: Db;
  bus: Bus;
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
}

const SWEEP_MS = 1000;

export function createHub(options: HubOptions): Hub {
  const { read, bus, clock, logger, metrics } = options;
  const tails = new Map<string, AppTail>();
  let drainMs: number | undefined;
  // Ranges that come while a tail is being opened; they are applied to it in order.
  const opening = new Map<string, { tail: Promise<AppTail>; early: LogRange[] }>();

  const open = async (appId: string, early: LogRange[]): Promise<AppTail> => {
    const state = await readLogState(read, appId).catch((error: unknown) => {
      // The next who asks tries again.
      opening.delete(appId);
      throw error;
    });
    const tail = createAppTail(appId, state, {
      onGap() {
        metrics.invariantViolations.inc({ invariant: "contiguous_ranges" });
        logger.error({ appId }, "a range of the log skipped positions; its streams are sent away");
        tails.delete(appId);
      },
      onError: (error) => logger.error({ err: error, appId }, "an event could not be handed to a stream"),
    });
    tails.set(appId, tail);
    opening.delete(appId);
    for (const range of early) tail.range(range);
    if (drainMs !== undefined) tail.drain(drainMs);
    return tail;
  };

  const hub: Hub = {
    async tail(appId) {
      const found = tails.get(appId);
      if (found !== undefined) return found;
      let begun = opening.get(appId);
      if (begun === undefined) {
        const early: LogRange[] = [];
        begun = { tail: open(appId, early), early };
        opening.set(appId, begun);
      }
      return await begun.tail;
    },
    known: (appId) => tails.get(appId),
    *all() {
      for (const tail of tails.values()) yield* tail.all();
    },
    raiseFloor: (appId, pos) => tails.get(appId)?.raiseFloor(pos),
    drain(spreadMs) {
      drainMs = spreadMs;
      for (const tail of tails.values()) tail.drain(spreadMs);
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
      let lag = 0;
      for (const { appId, head } of await readHeads(read))
        lag = Math.max(lag, head - (tails.get(appId)?.state().head ?? head));
      metrics.watermarkLag.set(lag);
    },
    close: () => sweep.cancel(),
  };

  bus.subscribe({
    range(range) {
      opening.get(range.appId)?.early.push(range);
      tails.get(range.appId)?.range(range);
    },
    transient: (event) => tails.get(event.appId)?.transient(event),
  });

  // One timer beats for all streams: ten thousand timers would cost more than the look.
  const beat = () => {
    const nowMs = clock.mono();
    for (const subscription of hub.all()) subscription.beat(nowMs);
    sweep = clock.setTimer(beat, SWEEP_MS);
  };
  let sweep = clock.setTimer(beat, SWEEP_MS);
  return hub;
}
