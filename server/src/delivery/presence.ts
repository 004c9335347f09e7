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
  /** How long nothing more is told of a user after something was. */
  tellMs: number;
  /** Told of changes, of each user at most once in `tellMs`: what is so by then, and always the last. */
  onChange(change: { appId: string; userId: string; online: boolean; atMs: number }): void;
}

interface State {
  sessions: Set<string>;
  online: boolean;
  lastActiveMs: number | undefined;
  grace: Timer | undefined;
  /** Runs while nothing more may be told. */
  hush: Timer | undefined;
  untold: boolean;
}

export function createPresenceBoard({ clock, graceMs, tellMs, onChange }: PresenceOptions): PresenceBoard {
  const users = new Map<string, State>();
  const stateOf = (key: string): State => {
    let state = users.get(key);
    if (state === undefined) {
      state = {
        sessions: new Set(),
        online: false,
        lastActiveMs: undefined,
        grace: undefined,
        hush: undefined,
        untold: false,
      };
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
    state.untold = true;
    if (state.hush === undefined) tell(appId, userId, state);
  };
  const tell = (appId: string, userId: string, state: State) => {
    const { online, lastActiveMs: atMs = clock.now() } = state;
    state.untold = false;
    state.hush = clock.setTimer(() => {
      state.hush = undefined;
      // Also when it is again what was told before: a stream that opened meanwhile was told otherwise.
      if (state.untold) tell(appId, userId, state);
      // Who is away is told from the store.
      else if (!state.online) users.delete(`${appId}|${userId}`);
    }, tellMs);
    onChange({ appId, userId, online, atMs });
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
      for (const state of users.values()) {
        state.grace?.cancel();
        state.hush?.cancel();
      }
    },
  };
}
