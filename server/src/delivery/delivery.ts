import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Limits, Times } from "../limits.js";
import type { Clock } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";
import type { Metrics } from "../ops/metrics.js";
import type { Bus, Presence, Tail } from "../ports.js";
import type { Committer } from "../store/committer.js";
import type { Leases } from "../store/leases.js";
import type { Db } from "../store/schema.js";
import { createHub, type Hub, type HubOptions } from "./hub.js";
import { createLiveness } from "./liveness.js";
import { createLogReads } from "./log-reads.js";
import type { StreamDeps } from "./open-stream.js";
import { createPresenceBoard, type PresenceOptions } from "./presence.js";
import { presenceEverywhere } from "./presence-everywhere.js";
import { presenceHere } from "./presence-here.js";
import { createSharedPresence, type SharedPresence } from "./shared-presence.js";

/** The live side of a node: streams, who is here, and the end of each log. */
export interface Delivery {
  hub: Hub;
  streams: StreamDeps;
  presence: Presence;
  /** What is written of who is here; undefined on the only node. */
  shared: SharedPresence | undefined;
  tail: Tail;
  /** Takes users as online until the grace after a start is over. */
  remember(users: readonly { app_id: string; user_id: string }[]): void;
  /** Ends every stream with the advice to come back, here or elsewhere. */
  sendAway(): void;
  close(): Promise<void>;
}

/** What a node needs that is one of several. */
interface SharingOptions {
  committer: Committer;
  leases: Leases;
  /** The name of this node; undefined while it may hold no streams. */
  node(): string | undefined;
  newId(): string;
}

export interface DeliveryOptions {
  read: Db;
  bus: Bus;
  clock: Clock;
  limits: Limits;
  times: Times;
  logger: Logger;
  metrics: Metrics;
  sharing: SharingOptions | undefined;
  isNew: HubOptions["isNew"];
  onPresence: PresenceOptions["onChange"];
  persistAcks(appId: string, acked: ReadonlyMap<string, number>): Promise<void>;
}

export function createDelivery(options: DeliveryOptions): Delivery {
  const { read, bus, clock, limits, times, sharing, onPresence } = options;
  const hub = createHub({ ...options, log: createLogReads(read) });
  const common = {
    clock,
    quietMs: times.ackQuietMs,
    graceMs: times.presenceGraceMs,
    persistMs: times.ackPersistMs,
    persist: options.persistAcks,
  };

  const alone = () => {
    const board = createPresenceBoard({
      clock,
      graceMs: times.presenceGraceMs,
      tellMs: times.presenceTellMs,
      onChange: onPresence,
    });
    const liveness = createLiveness({ ...common, bootGraceMs: times.presenceBootGraceMs, presence: board });
    return { liveness, presence: presenceHere({ hub, board, liveness }), shared: undefined, board };
  };
  const among = ({ committer, leases, node, newId }: SharingOptions) => {
    const shared: SharedPresence = createSharedPresence({
      committer,
      bus,
      clock,
      streamsPerUser: limits.streamsPerUser,
      node,
      liveness: { session: (...which) => liveness.session(...which), end: (...which) => liveness.end(...which) },
      onEdge: onPresence,
    });
    const liveness = createLiveness({
      ...common,
      // Who was here before is in the store.
      bootGraceMs: 0,
      presence: {
        arrive: () => undefined,
        leave: () => undefined,
        hide: (appId, userId) => void shared.settle(appId, userId),
      },
      onChange: shared.changed,
      newId,
    });
    const facts = { read, hub, liveness, shared, leases, leaseMs: times.leaseMs, node };
    return { liveness, presence: presenceEverywhere(facts), shared, board: undefined };
  };
  const { liveness, presence, shared, board } = sharing === undefined ? alone() : among(sharing);

  return {
    hub,
    streams: {
      ...options,
      liveness,
      mayOpen: () => sharing === undefined || sharing.node() !== undefined,
      written: async (appId, sessionId) => await shared?.written(appId, sessionId),
    },
    presence,
    shared,
    tail: {
      state: async (appId) => (await hub.tail(appId)).state(),
      acknowledge: liveness.ack,
      passed: async (appId, pos, waitMs, signal) => await hub.passed(await hub.tail(appId), pos, waitMs, signal),
    },
    remember(users) {
      for (const user of users) board?.remember(user.app_id, user.user_id, times.presenceBootGraceMs);
    },
    sendAway() {
      for (const stream of [...hub.all()]) {
        const retryDelayMs = Math.round(Math.random() * times.drainMs);
        stream.end({ reason: GoodbyeReason.DRAIN, reconnect: true, retryDelayMs });
      }
    },
    async close() {
      shared?.close();
      hub.close();
      board?.close();
      await liveness.close();
    },
  };
}
