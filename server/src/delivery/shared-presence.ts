import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Clock } from "../ops/clock.js";
import type { Bus, Signal } from "../ports.js";
import type { Committer, Outcome, Tx } from "../store/committer.js";
import {
  type Consequences,
  endLiveSessions,
  type LiveSession,
  type PresenceEdge,
  putLiveSessions,
  removeLiveSessions,
  type SaidSession,
  type StreamEnd,
  settlePresence,
} from "../store/live-sessions.js";
import type { Liveness } from "./liveness.js";
import type { Ending } from "./subscription.js";

/**
 * Who is here, where several nodes share a store. Each node is the judge of its own streams and writes what it concludes of a session; whether a
 * user has come or gone follows in the same transaction, from the sessions of all nodes, so that two nodes never tell differently.
 */
export interface SharedPresence {
  /** Something has changed of a session that is here: it is written, together with what else waits. */
  changed(appId: string, userId: string, sessionId: string): void;
  /** Resolves when what has changed of a session so far is written, or could not be written at once. */
  written(appId: string, sessionId: string): Promise<void>;
  /** Whether a user is to be hidden has changed. Resolves when that is written, or could not be written at once. */
  settle(appId: string, userId: string): Promise<void>;
  /** Ends the streams of a session, or of all of a user's, on the other nodes, and gives their number. */
  end(appId: string, userId: string, sessionId: string | undefined, reason: GoodbyeReason): Promise<number>;
  /** Ends those of these streams that are here. */
  endHere(ends: readonly StreamEnd[]): void;
  /** The name of this node is no more: what is stored under it is left to the keeper, so that everybody has time to come back. */
  abandon(): void;
  /** Takes no more. What is stored is left to the keeper. */
  close(): void;
}

export interface SharedPresenceOptions {
  committer: Committer;
  bus: Bus;
  clock: Clock;
  streamsPerUser: number;
  /** The name of this node; undefined while it may hold no streams. */
  node(): string | undefined;
  liveness: Pick<Liveness, "session" | "end">;
  onEdge(edge: PresenceEdge): void;
}

/** A stream that is to end on another node. */
type StreamEndSignal = {
  readonly appId: string;
  readonly kind: "stream_end";
  readonly sessionId: string;
  readonly stream: string;
  readonly reason: number;
};

interface Stored {
  /** Nobody knows what became of a write that had no answer. */
  isSure: boolean;
  /** The streams under which the session may be stored. */
  streams: readonly string[];
}

interface Item {
  appId: string;
  userId: string;
  sessionId: string;
}

const RETRY_MS = 1_000;
const REASONS = { replaced: GoodbyeReason.REPLACED, tooMany: GoodbyeReason.TOO_MANY_STREAMS };

export function createSharedPresence(options: SharedPresenceOptions): SharedPresence {
  const { committer, bus, clock, liveness } = options;
  /** The sessions of which something is still to be written. */
  const waiting = new Set<string>();
  const writing = new Map<string, Promise<void>>();
  /** What this node has stored of each session. */
  const stored = new Map<string, Stored>();
  let closed = false;

  const endHere = (ends: readonly StreamEnd[]) => {
    for (const { app_id, session_id, stream, reason } of ends)
      liveness.end(app_id, session_id, stream, endingOf(reason));
  };
  const follow = (tx: Tx, { ends, edges }: Consequences) =>
    tx.afterCommit(() => {
      for (const end of ends) bus.publishSignal(signalOf(end));
      endHere(ends);
      for (const edge of edges) options.onEdge(edge);
    });

  const write = async (tx: Tx, items: readonly Item[]): Promise<Outcome<void>[]> => {
    const node = options.node();
    if (node === undefined) throw new Error("this node may hold no streams just now");
    const here: SaidSession[] = [];
    const gone: { key: string; user_id: string; stream: string }[] = [];
    for (const { appId, userId, sessionId } of items) {
      const key = keyOf(appId, sessionId);
      // As of now: what changes from here on is written next.
      waiting.delete(key);
      const [known, before] = [liveness.session(appId, sessionId), stored.get(key)];
      const streams = before?.streams ?? [];
      if (known === undefined) gone.push(...streams.map((stream) => ({ key, user_id: userId, stream })));
      // Who came and was lost before anything of it was written was not here for anybody.
      if (known === undefined || (!known.open && streams.length === 0)) continue;
      const isStored = before?.isSure === true && streams.includes(known.stream);
      here.push({ session: rowOf(sessionId, known), arrives: known.open && !isStored, insteadOf: streams });
      // Until it is known what became of this write, each of them may be the one.
      if (!isStored) stored.set(key, { isSure: false, streams: [...new Set([...streams, known.stream])] });
    }
    const rules = { most: options.streamsPerUser, reasons: REASONS };
    const { ends, edges } = await putLiveSessions(tx, node, here, rules);
    edges.push(...(await removeLiveSessions(tx, gone)));
    tx.afterCommit(() => {
      if (options.node() !== node) return;
      for (const { key } of gone) stored.delete(key);
      for (const { session } of here)
        stored.set(keyOf(tx.appId, session.session_id), { isSure: true, streams: [session.stream] });
    });
    follow(tx, { ends, edges });
    return items.map(() => ({ ok: true, value: undefined }));
  };

  const submit = (item: Item) => {
    const key = keyOf(item.appId, item.sessionId);
    waiting.add(key);
    const again = () => {
      if (closed) return;
      waiting.add(key);
      clock.setTimer(() => !closed && submit(item), RETRY_MS);
    };
    if (options.node() === undefined) return again();
    const done: Promise<void> = committer
      .submit(item.appId, write, item)
      .catch(again)
      .then(() => void (writing.get(key) === done && writing.delete(key)));
    writing.set(key, done);
  };

  bus.subscribe({
    signal(signal) {
      if (isStreamEnd(signal)) liveness.end(signal.appId, signal.sessionId, signal.stream, endingOf(signal.reason));
    },
  });

  return {
    changed(appId, userId, sessionId) {
      if (!closed && !waiting.has(keyOf(appId, sessionId))) submit({ appId, userId, sessionId });
    },
    written: (appId, sessionId) => writing.get(keyOf(appId, sessionId)) ?? Promise.resolve(),
    settle(appId, userId) {
      const work = async (tx: Tx) => follow(tx, { ends: [], edges: await settlePresence(tx, [userId]) });
      const again = () => void clock.setTimer(() => !closed && void run(), RETRY_MS);
      const run = () => committer.run(appId, work).catch(again);
      return run();
    },
    end: (appId, userId, sessionId, reason) =>
      committer.run(appId, async (tx) => {
        const consequences = await endLiveSessions(tx, options.node(), userId, sessionId, reason);
        follow(tx, consequences);
        return consequences.ends.length;
      }),
    endHere,
    abandon: () => stored.clear(),
    close() {
      closed = true;
    },
  };
}

const keyOf = (appId: string, sessionId: string): string => `${appId}|${sessionId}`;

type Known = NonNullable<ReturnType<Liveness["session"]>>;

function rowOf(session_id: string, { userId, stream, open, visible, client }: Known): LiveSession {
  return { session_id, user_id: userId, stream, open: open ? 1 : 0, visible: visible ? 1 : 0, client };
}

/** How a stream ends that was ended elsewhere: none of the reasons asks the client to come back. */
function endingOf(reason: GoodbyeReason): Ending {
  return { reason, reconnect: false };
}

function signalOf({ app_id, session_id, stream, reason }: StreamEnd): StreamEndSignal {
  return { appId: app_id, kind: "stream_end", sessionId: session_id, stream, reason };
}

function isStreamEnd(signal: Signal): signal is StreamEndSignal {
  const { sessionId, stream, reason } = signal as Partial<StreamEndSignal>;
  const typed = typeof sessionId === "string" && typeof stream === "string" && typeof reason === "number";
  return signal.kind === "stream_end" && typed;
}
