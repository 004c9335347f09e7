import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Limits, Times } from "../limits.js";
import type { Clock } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";
import type { Metrics } from "../ops/metrics.js";
import type { Bus, Presence, Tail } from "../ports.js";
import type { Db } from "../store/schema.js";
import { createHub, type Hub } from "./hub.js";
import { createLiveness } from "./liveness.js";
import { createLogReads } from "./log-reads.js";
import type { StreamDeps } from "./open-stream.js";
import { createPresenceBoard, type PresenceOptions } from "./presence.js";

/** The live side of a node: streams, who is here, and the end of each log. */
export interface Delivery {
  hub: Hub;
  streams: StreamDeps;
  presence: Presence;
  tail: Tail;
  /** Takes users as online until the grace after a start is over. */
  remember(users: readonly { app_id: string; user_id: string }[]): void;
  close(): Promise<void>;
}

export interface DeliveryOptions {
  read: Db;
  bus: Bus;
  clock: Clock;
  limits: Limits;
  times: Times;
  logger: Logger;
  metrics: Metrics;
  onPresence: PresenceOptions["onChange"];
  persistAcks(appId: string, acked: ReadonlyMap<string, number>): Promise<void>;
}

export function createDelivery(options: DeliveryOptions): Delivery {
  const { clock, times } = options;
  const hub = createHub({ ...options, log: createLogReads(options.read) });
  const board = createPresenceBoard({
    clock,
    graceMs: times.presenceGraceMs,
    tellMs: times.presenceTellMs,
    onChange: options.onPresence,
  });
  const liveness = createLiveness({
    clock,
    presence: board,
    quietMs: times.ackQuietMs,
    graceMs: times.presenceGraceMs,
    bootGraceMs: times.presenceBootGraceMs,
    persistMs: times.ackPersistMs,
    persist: options.persistAcks,
  });
  return {
    hub,
    streams: { ...options, liveness },
    presence: {
      of: board.of,
      countSessions: (appId) => [...(hub.known(appId)?.all() ?? [])].length,
      hide: liveness.hide,
      hasStream: (appId, sessionId) => [...(hub.known(appId)?.ofSession(sessionId) ?? [])].length > 0,
      pause(appId, userId, sessionId) {
        for (const stream of [...(hub.known(appId)?.ofSession(sessionId) ?? [])])
          stream.end({ reason: GoodbyeReason.PAUSED, reconnect: false });
        liveness.dismiss(appId, sessionId);
        // The stream may have been lost before, and its grace be running.
        board.leave(appId, userId, sessionId, "once");
      },
      streamsOf: (appId, userId) => [...(hub.known(appId)?.ofUser(userId) ?? [])].length,
      disconnect(appId, userId) {
        const streams = [...(hub.known(appId)?.ofUser(userId) ?? [])];
        for (const stream of streams) stream.end({ reason: GoodbyeReason.DISCONNECTED, reconnect: false });
        return streams.length;
      },
      standing: liveness.standing,
    },
    tail: {
      state: async (appId) => (await hub.tail(appId)).state(),
      acknowledge: liveness.ack,
      passed: async (appId, pos, waitMs, signal) => await hub.passed(await hub.tail(appId), pos, waitMs, signal),
    },
    remember(users) {
      for (const user of users) board.remember(user.app_id, user.user_id, times.presenceBootGraceMs);
    },
    async close() {
      hub.close();
      board.close();
      await liveness.close();
    },
  };
}
