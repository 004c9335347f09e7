import type { Clock } from "../ops/clock.js";
import type { PresenceBoard } from "./presence.js";
import type { Subscription } from "./subscription.js";

/** Which streams have a living client behind them, and how far each has come. */
export interface Liveness {
  /** A stream opened; the function given back closes it. */
  arrive(appId: string, subscription: Subscription, visible: boolean): (at: "grace" | "once") => void;
  /** The client of a session says it is alive and, with a position above 0, that it has applied everything up to it. */
  ack(appId: string, sessionId: string, pos: number): void;
  close(): Promise<void>;
}

export interface LivenessOptions {
  clock: Clock;
  presence: PresenceBoard;
  /** A client that has acknowledged once and then is silent for so long no longer counts as here. */
  quietMs: number;
  persistMs: number;
  /** Stores how far sessions have come. Losing the latest costs a needless push at most, so it is not done at once. */
  persist(appId: string, acked: ReadonlyMap<string, number>): Promise<void>;
}

interface Lease {
  appId: string;
  userId: string;
  sessionId: string;
  visible: boolean;
  /** Undefined until the first acknowledgement: a client that never acknowledges counts while its stream lives. */
  lastAckMs: number | undefined;
  lapsed: boolean;
}

const SWEEP_MS = 5_000;

export function createLiveness(options: LivenessOptions): Liveness {
  const { clock, presence, quietMs } = options;
  const leases = new Map<string, Lease>();
  const acked = new Map<string, Map<string, number>>();

  const persist = async () => {
    const dirty = [...acked];
    acked.clear();
    for (const [appId, sessions] of dirty) {
      try {
        await options.persist(appId, sessions);
      } catch {
        // The store is busy or full: they are kept for the next time, behind what came meanwhile.
        acked.set(appId, new Map([...sessions, ...(acked.get(appId) ?? [])]));
      }
    }
  };
  const sweep = () => {
    const nowMs = clock.mono();
    for (const lease of leases.values()) {
      if (lease.lapsed || lease.lastAckMs === undefined || nowMs - lease.lastAckMs < quietMs) continue;
      lease.lapsed = true;
      if (lease.visible) presence.leave(lease.appId, lease.userId, lease.sessionId, "grace");
    }
    void persist();
    timer = clock.setTimer(sweep, Math.min(SWEEP_MS, options.persistMs));
  };
  let timer = clock.setTimer(sweep, Math.min(SWEEP_MS, options.persistMs));

  return {
    arrive(appId, { userId, sessionId }, visible) {
      const key = `${appId}|${sessionId}`;
      const lease: Lease = { appId, userId, sessionId, visible, lastAckMs: undefined, lapsed: false };
      const replaced = leases.get(key);
      leases.set(key, lease);
      if (visible) presence.arrive(appId, userId, sessionId);
      // The stream that this one replaces may have been visible.
      else if (replaced?.visible) presence.leave(appId, userId, sessionId, "once");
      return (at) => {
        // A newer stream of the session has taken over.
        if (leases.get(key) !== lease) return;
        leases.delete(key);
        if (visible) presence.leave(appId, userId, sessionId, at);
      };
    },
    ack(appId, sessionId, pos) {
      const lease = leases.get(`${appId}|${sessionId}`);
      if (lease !== undefined) {
        lease.lastAckMs = clock.mono();
        if (lease.lapsed) {
          lease.lapsed = false;
          if (lease.visible) presence.arrive(appId, lease.userId, sessionId);
        }
      }
      if (pos === 0) return;
      const sessions = acked.get(appId) ?? new Map<string, number>();
      acked.set(appId, sessions.set(sessionId, Math.max(pos, sessions.get(sessionId) ?? 0)));
    },
    async close() {
      timer.cancel();
      // What is lost here costs a needless push at most, and a full disk must not keep a server from stopping.
      await persist();
    },
  };
}
