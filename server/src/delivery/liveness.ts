import type { Clock } from "../ops/clock.js";
import type { Standing } from "../ports.js";
import type { PresenceBoard } from "./presence.js";
import type { Subscription } from "./subscription.js";

/** Which streams have a living client behind them, and how far each has come. */
export interface Liveness {
  /** A stream opened; the function given back closes it. A hidden user's visible stream is one when the user is shown again. */
  arrive(
    appId: string,
    subscription: Subscription,
    shown: { visible: boolean; hidden: boolean },
  ): (at: "grace" | "once") => void;
  /** Hides a user on all its streams, or shows it again. */
  hide(appId: string, userId: string, hidden: boolean): void;
  /** The client of a session says it is alive and, with a position above 0, that it has applied everything up to it. */
  ack(appId: string, sessionId: string, pos: number): void;
  /** The client of a session said that it goes: it is away at once, whatever becomes of its stream. */
  dismiss(appId: string, sessionId: string): void;
  standing(appId: string, sessionId: string): Standing;
  close(): Promise<void>;
}

export interface LivenessOptions {
  clock: Clock;
  presence: PresenceBoard;
  /** A client that has acknowledged once and then is silent for so long no longer counts as here. */
  quietMs: number;
  /** A client whose stream was lost is expected back for so long. */
  graceMs: number;
  /** A client that was here before the start is expected back for so long. */
  bootGraceMs: number;
  persistMs: number;
  /** Stores how far sessions have come. Losing the latest costs a needless push at most, so it is not done at once. */
  persist(appId: string, acked: ReadonlyMap<string, number>): Promise<void>;
}

interface Lease {
  appId: string;
  userId: string;
  sessionId: string;
  visible: boolean;
  hidden: boolean;
  /** Undefined until the first acknowledgement: a client that never acknowledges counts while its stream lives. */
  lastAckMs: number | undefined;
  lapsed: boolean;
}

/** How far a session has come. What is stored is kept for a round more: who read the store just before it was is told right. */
interface Acked {
  pos: number;
  /** What the store was given, and what it has. */
  storingPos: number;
  storedPos: number;
}

const SWEEP_MS = 5_000;

export function createLiveness(options: LivenessOptions): Liveness {
  const { clock, presence, quietMs } = options;
  const leases = new Map<string, Lease>();
  /** The sessions whose stream was lost, with the time until which they are expected back. */
  const lost = new Map<string, number>();
  const acked = new Map<string, Map<string, Acked>>();
  /** The sessions that were here, or said that they go, since the start; kept while the grace of the start runs. */
  let seen: Set<string> | undefined = new Set();
  const bootEndMs = clock.mono() + options.bootGraceMs;

  const persist = async () => {
    const rounds = [...acked].map(([appId, sessions]): [string, Map<string, number>] => {
      const dirty = new Map<string, number>();
      for (const [sessionId, session] of sessions) {
        if (session.pos > session.storingPos) {
          session.storingPos = session.pos;
          dirty.set(sessionId, session.pos);
        } else if (session.pos === session.storedPos) sessions.delete(sessionId);
      }
      if (sessions.size === 0) acked.delete(appId);
      return [appId, dirty];
    });
    for (const [appId, dirty] of rounds) {
      if (dirty.size === 0) continue;
      const stored = await options.persist(appId, dirty).then(
        () => true,
        // The store is busy or full: they are kept for the next time.
        () => false,
      );
      for (const [sessionId, pos] of dirty) {
        const session = acked.get(appId)?.get(sessionId);
        if (session === undefined) continue;
        if (stored) session.storedPos = Math.max(session.storedPos, pos);
        else if (session.storingPos === pos) session.storingPos = session.storedPos;
      }
    }
  };
  const isQuiet = (lease: Lease) => lease.lastAckMs !== undefined && clock.mono() - lease.lastAckMs >= quietMs;
  const see = (key: string) => {
    if (clock.mono() < bootEndMs) seen?.add(key);
  };
  const sweep = () => {
    const nowMs = clock.mono();
    for (const lease of leases.values()) {
      if (lease.lapsed || !isQuiet(lease)) continue;
      lease.lapsed = true;
      if (lease.visible) presence.leave(lease.appId, lease.userId, lease.sessionId, "grace");
    }
    for (const [key, untilMs] of lost) if (untilMs <= nowMs) lost.delete(key);
    if (nowMs >= bootEndMs) seen = undefined;
    void persist();
    timer = clock.setTimer(sweep, Math.min(SWEEP_MS, options.persistMs));
  };
  let timer = clock.setTimer(sweep, Math.min(SWEEP_MS, options.persistMs));

  const clientOf = (key: string): Standing["client"] => {
    const lease = leases.get(key);
    if (lease !== undefined) {
      if (lease.lastAckMs === undefined) return "receiving";
      return isQuiet(lease) ? "away" : "awaited";
    }
    if ((lost.get(key) ?? Number.NEGATIVE_INFINITY) > clock.mono()) return "awaited";
    return clock.mono() < bootEndMs && seen?.has(key) === false ? "unseen" : "away";
  };

  return {
    arrive(appId, { userId, sessionId }, { visible, hidden }) {
      const key = `${appId}|${sessionId}`;
      const lease: Lease = { appId, userId, sessionId, visible, hidden, lastAckMs: undefined, lapsed: false };
      const replaced = leases.get(key);
      leases.set(key, lease);
      lost.delete(key);
      see(key);
      if (visible) presence.arrive(appId, userId, sessionId, hidden);
      // The stream that this one replaces may have been visible.
      else if (replaced?.visible) presence.leave(appId, userId, sessionId, "once");
      return (at) => {
        // A newer stream of the session has taken over, or the client has gone.
        if (leases.get(key) !== lease) return;
        leases.delete(key);
        if (at === "grace" && !isQuiet(lease)) lost.set(key, clock.mono() + options.graceMs);
        if (visible) presence.leave(appId, userId, sessionId, at);
      };
    },
    hide(appId, userId, hidden) {
      for (const lease of leases.values()) if (lease.appId === appId && lease.userId === userId) lease.hidden = hidden;
      presence.hide(appId, userId, hidden);
    },
    ack(appId, sessionId, pos) {
      const lease = leases.get(`${appId}|${sessionId}`);
      if (lease !== undefined) {
        lease.lastAckMs = clock.mono();
        if (lease.lapsed) {
          lease.lapsed = false;
          if (lease.visible) presence.arrive(appId, lease.userId, sessionId, lease.hidden);
        }
      }
      if (pos === 0) return;
      const sessions = acked.get(appId) ?? new Map<string, Acked>();
      acked.set(appId, sessions);
      const session = sessions.get(sessionId);
      if (session === undefined) sessions.set(sessionId, { pos, storingPos: 0, storedPos: 0 });
      else session.pos = Math.max(session.pos, pos);
    },
    dismiss(appId, sessionId) {
      const key = `${appId}|${sessionId}`;
      const lease = leases.get(key);
      leases.delete(key);
      lost.delete(key);
      see(key);
      if (lease?.visible) presence.leave(appId, lease.userId, sessionId, "once");
    },
    standing(appId, sessionId) {
      const key = `${appId}|${sessionId}`;
      return { ackedPos: acked.get(appId)?.get(sessionId)?.pos ?? 0, client: clientOf(key) };
    },
    async close() {
      timer.cancel();
      // What is lost here costs a needless push at most, and a full disk must not keep a server from stopping.
      await persist();
    },
  };
}
