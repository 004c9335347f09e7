import type { Clock, Timer } from "../ops/clock.js";
import type { Standing } from "../ports.js";
import type { PresenceBoard } from "./presence.js";
import type { Ending, Subscription } from "./subscription.js";

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
  /** What is known of a session whose stream is here, or was until less than the grace ago. */
  session(appId: string, sessionId: string): KnownSession | undefined;
  /** Ends a session's stream, if it is still this one. */
  end(appId: string, sessionId: string, stream: string, ending: Ending): void;
  close(): Promise<void>;
}

/** What this node knows of a session that is here. */
interface KnownSession {
  userId: string;
  /** Names the stream, among those of all nodes. */
  stream: string;
  open: boolean;
  /** Others see by it that its user is here, if the user is not hidden. */
  visible: boolean;
  client: "receiving" | "awaited" | "away";
}

export interface LivenessOptions {
  clock: Clock;
  presence: Pick<PresenceBoard, "arrive" | "leave" | "hide">;
  /** A client that has acknowledged once and then is silent for so long no longer counts as here. */
  quietMs: number;
  /** A client whose stream was lost is expected back for so long. */
  graceMs: number;
  /** A client that was here before the start is expected back for so long. */
  bootGraceMs: number;
  persistMs: number;
  /** Stores how far sessions have come. Losing the latest costs a needless push at most, so it is not done at once. */
  persist(appId: string, acked: ReadonlyMap<string, number>): Promise<void>;
  /** Told when what is known of a session may have changed. */
  onChange?: (appId: string, userId: string, sessionId: string) => void;
  /** Names a stream. */
  newId?: () => string;
}

interface Lease {
  appId: string;
  userId: string;
  sessionId: string;
  subscription: Subscription;
  stream: string;
  visible: boolean;
  hidden: boolean;
  /** Undefined until the first acknowledgement: a client that never acknowledges counts while its stream lives. */
  lastAckMs: number | undefined;
  lapsed: boolean;
  /** It has lapsed, and the grace is over too. */
  given: boolean;
}

/** A session whose stream was lost, until its grace is over. */
interface Lost {
  userId: string;
  stream: string;
  visible: boolean;
  over: Timer;
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
  const { onChange = () => undefined, newId = () => "" } = options;
  const leases = new Map<string, Lease>();
  /** The sessions whose stream was lost and that are expected back. */
  const lost = new Map<string, Lost>();
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
  const quietFor = ({ lastAckMs }: Lease) => (lastAckMs === undefined ? 0 : clock.mono() - lastAckMs);
  const isQuiet = (lease: Lease) => quietFor(lease) >= quietMs;
  const see = (key: string) => {
    if (clock.mono() < bootEndMs) seen?.add(key);
  };
  const lapse = (lease: Lease) => {
    lease.lapsed = true;
    if (lease.visible) presence.leave(lease.appId, lease.userId, lease.sessionId, "grace");
    tell(lease);
  };
  const tell = ({ appId, userId, sessionId }: Lease) => onChange(appId, userId, sessionId);
  const lose = (key: string, lease: Lease) => {
    const { userId, stream, visible, given } = lease;
    const over = clock.setTimer(() => {
      lost.delete(key);
      tell(lease);
    }, options.graceMs);
    lost.set(key, { userId, stream, visible: visible && !given, over });
  };
  const find = (key: string) => {
    lost.get(key)?.over.cancel();
    lost.delete(key);
  };
  const sweep = () => {
    const nowMs = clock.mono();
    for (const lease of leases.values()) {
      if (!lease.lapsed && isQuiet(lease)) lapse(lease);
      if (!lease.lapsed || lease.given || quietFor(lease) < quietMs + options.graceMs) continue;
      lease.given = true;
      tell(lease);
    }
    if (nowMs >= bootEndMs) seen = undefined;
    void persist();
    timer = clock.setTimer(sweep, Math.min(SWEEP_MS, options.persistMs));
  };
  let timer = clock.setTimer(sweep, Math.min(SWEEP_MS, options.persistMs));

  const spoken = (lease: Lease): KnownSession["client"] => {
    if (lease.lastAckMs === undefined) return "receiving";
    return isQuiet(lease) ? "away" : "awaited";
  };
  const clientOf = (key: string): Standing["client"] => {
    const lease = leases.get(key);
    if (lease !== undefined) return spoken(lease);
    if (lost.has(key)) return "awaited";
    return clock.mono() < bootEndMs && seen?.has(key) === false ? "unseen" : "away";
  };

  return {
    arrive(appId, subscription, { visible, hidden }) {
      const { userId, sessionId } = subscription;
      const key = `${appId}|${sessionId}`;
      const unknown = { lastAckMs: undefined, lapsed: false, given: false };
      const lease: Lease = { appId, userId, sessionId, subscription, stream: newId(), visible, hidden, ...unknown };
      const replaced = leases.get(key);
      leases.set(key, lease);
      find(key);
      see(key);
      if (visible) presence.arrive(appId, userId, sessionId, hidden);
      // The stream that this one replaces may have been visible.
      else if (replaced?.visible) presence.leave(appId, userId, sessionId, "once");
      tell(lease);
      return (at) => {
        // A newer stream of the session has taken over, or the client has gone.
        if (leases.get(key) !== lease) return;
        leases.delete(key);
        if (at === "grace" && !isQuiet(lease)) lose(key, lease);
        if (visible) presence.leave(appId, userId, sessionId, at);
        tell(lease);
      };
    },
    hide(appId, userId, hidden) {
      for (const lease of leases.values()) if (lease.appId === appId && lease.userId === userId) lease.hidden = hidden;
      presence.hide(appId, userId, hidden);
    },
    ack(appId, sessionId, pos) {
      const lease = leases.get(`${appId}|${sessionId}`);
      if (lease !== undefined) {
        const first = lease.lastAckMs === undefined;
        const { lapsed } = lease;
        lease.lastAckMs = clock.mono();
        lease.lapsed = false;
        lease.given = false;
        if (lapsed && lease.visible) presence.arrive(appId, lease.userId, sessionId, lease.hidden);
        if (first || lapsed) tell(lease);
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
      const userId = lease?.userId ?? lost.get(key)?.userId;
      leases.delete(key);
      find(key);
      see(key);
      if (lease?.visible) presence.leave(appId, lease.userId, sessionId, "once");
      if (userId !== undefined) onChange(appId, userId, sessionId);
    },
    standing(appId, sessionId) {
      const key = `${appId}|${sessionId}`;
      return { ackedPos: acked.get(appId)?.get(sessionId)?.pos ?? 0, client: clientOf(key) };
    },
    session(appId, sessionId) {
      const key = `${appId}|${sessionId}`;
      const lease = leases.get(key);
      if (lease !== undefined) {
        const { userId, stream, visible, given } = lease;
        return { userId, stream, open: true, visible: visible && !given, client: spoken(lease) };
      }
      const gone = lost.get(key);
      if (gone === undefined) return undefined;
      return { userId: gone.userId, stream: gone.stream, open: false, visible: gone.visible, client: "awaited" };
    },
    end(appId, sessionId, stream, ending) {
      const lease = leases.get(`${appId}|${sessionId}`);
      if (lease?.stream === stream) lease.subscription.end(ending);
    },
    async close() {
      timer.cancel();
      for (const { over } of lost.values()) over.cancel();
      // What is lost here costs a needless push at most, and a full disk must not keep a server from stopping.
      await persist();
    },
  };
}
