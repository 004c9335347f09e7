import type { Clock, Timer } from "../ops/clock.js";

/** Whether a user is here, over all its streams on this node. */
export interface PresenceBoard {
  of(appId: string, userId: string): { online: boolean; lastActiveMs: number | undefined };
  /** A visible stream of the user opened. */
  arrive(appId: string, userId: string, sessionId: string): void;
  /** A stream closed, or its client fell silent: offline after the grace, or at once. */
  leave(appId: string, userId: string, sessionId: string, at: "grace" | "once"): void;
  /** Takes a user as online until the grace is over: it was so when the server stopped. */
  remember(appId: string, userId: string, graceMs: number): void;
  close(): void;
}

export interface PresenceOptions {
  clock: Clock;
  graceMs: number;
  /** Told of each change, once. */
  onChange(change: { appId: string; userId: string; online: boolean; atMs: number }): void;
}

interface State {
  sessions: Set<string>;
  online: boolean;
  lastActiveMs: number | undefined;
  grace: Timer | undefined;
}

export function createPresenceBoard({ clock, graceMs, onChange }: PresenceOptions): PresenceBoard {
  const users = new Map<string, State>();
  const stateOf = (key: string): State => {
    let state = users.get(key);
    if (state === undefined) {
      state = { sessions: new Set(), online: false, lastActiveMs: undefined, grace: undefined };
      users.set(key, state);
    }
    return state;
  };
  const change = (appId: string, userId: string, state: State, online: boolean) => {
    state.grace?.cancel();
    state.grace = undefined;
    if (state.online === online) return;
    state.online = online;
    state.lastActiveMs = clock.now();
    // Who is away is told from the store.
    if (!online) users.delete(`${appId}|${userId}`);
    onChange({ appId, userId, online, atMs: state.lastActiveMs });
  };
  const goAfter = (appId: string, userId: string, state: State, ms: number) => {
    state.grace?.cancel();
    state.grace = clock.setTimer(() => change(appId, userId, state, false), ms);
  };

  return {
    of(appId, userId) {
      const state = users.get(`${appId}|${userId}`);
      return { online: state?.online ?? false, lastActiveMs: state?.lastActiveMs };
    },
    arrive(appId, userId, sessionId) {
      const state = stateOf(`${appId}|${userId}`);
      state.sessions.add(sessionId);
      change(appId, userId, state, true);
    },
    leave(appId, userId, sessionId, at) {
      const state = users.get(`${appId}|${userId}`);
      if (state === undefined) return;
      // A pause after the stream was lost, within the grace, still means at once.
      state.sessions.delete(sessionId);
      if (state.sessions.size > 0 || !state.online) return;
      if (at === "once") change(appId, userId, state, false);
      else if (state.grace === undefined) goAfter(appId, userId, state, graceMs);
    },
    remember(appId, userId, ms) {
      const state = stateOf(`${appId}|${userId}`);
      if (state.online) return;
      state.online = true;
      goAfter(appId, userId, state, ms);
    },
    close() {
      for (const state of users.values()) state.grace?.cancel();
    },
  };
}
