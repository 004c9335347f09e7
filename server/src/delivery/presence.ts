import type { Clock, Timer } from "../ops/clock.js";

/** Whether a user is here: one of its sessions has a visible stream on this node, or lost it less than a grace ago, and the user is not hidden. */
export interface PresenceBoard {
  of(appId: string, userId: string): { online: boolean; lastActiveMs: number | undefined };
  /** The number of users of an app who are online. */
  count(appId: string): number;
  /** A visible stream of the user opened. A hidden user is shown as offline all the same. */
  arrive(appId: string, userId: string, sessionId: string, hidden: boolean): void;
  /** Hides a user whose sessions are here, or shows it again. */
  hide(appId: string, userId: string, hidden: boolean): void;
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
  /** The sessions that are here; a timer runs for one whose stream was lost, to its grace's end. */
  sessions: Map<string, Timer | undefined>;
  hidden: boolean;
  online: boolean;
  lastActiveMs: number | undefined;
  /** Runs while nothing more may be told. */
  hush: Timer | undefined;
  untold: boolean;
}

/** What stands for the sessions of before a restart, whichever they were. */
const REMEMBERED = "";

export function createPresenceBoard({ clock, graceMs, tellMs, onChange }: PresenceOptions): PresenceBoard {
  const users = new Map<string, State>();
  const stateOf = (key: string): State => {
    let state = users.get(key);
    if (state === undefined) {
      const untold = { lastActiveMs: undefined, hush: undefined, untold: false };
      state = { sessions: new Map(), hidden: false, online: false, ...untold };
      users.set(key, state);
    }
    return state;
  };
  const forget = (state: State, sessionId: string) => {
    state.sessions.get(sessionId)?.cancel();
    state.sessions.delete(sessionId);
  };
  /** Draws the conclusion from the sessions that are here. */
  const settle = (appId: string, userId: string, state: State) => {
    const online = state.sessions.size > 0 && !state.hidden;
    if (state.online === online) return tidy(appId, userId, state);
    state.online = online;
    state.lastActiveMs = clock.now();
    state.untold = true;
    if (state.hush === undefined) tell(appId, userId, state, state.lastActiveMs);
  };
  /** Who is away is told from the store. */
  const tidy = (appId: string, userId: string, state: State) => {
    if (state.hush === undefined && state.sessions.size === 0) users.delete(`${appId}|${userId}`);
  };
  const tell = (appId: string, userId: string, state: State, atMs: number) => {
    state.untold = false;
    state.hush = clock.setTimer(() => {
      state.hush = undefined;
      // Also when it is again what was told before: a stream that opened meanwhile was told otherwise.
      if (state.untold) tell(appId, userId, state, state.lastActiveMs ?? atMs);
      else tidy(appId, userId, state);
    }, tellMs);
    onChange({ appId, userId, online: state.online, atMs });
  };
  const linger = (appId: string, userId: string, state: State, sessionId: string, ms: number) => {
    const over = () => {
      state.sessions.delete(sessionId);
      settle(appId, userId, state);
    };
    state.sessions.set(sessionId, clock.setTimer(over, ms));
  };

  return {
    of(appId, userId) {
      const state = users.get(`${appId}|${userId}`);
      return { online: state?.online ?? false, lastActiveMs: state?.lastActiveMs };
    },
    count(appId) {
      let online = 0;
      for (const [key, state] of users) if (state.online && key.startsWith(`${appId}|`)) online += 1;
      return online;
    },
    arrive(appId, userId, sessionId, hidden) {
      const state = stateOf(`${appId}|${userId}`);
      state.hidden = hidden;
      forget(state, REMEMBERED);
      forget(state, sessionId);
      state.sessions.set(sessionId, undefined);
      settle(appId, userId, state);
    },
    hide(appId, userId, hidden) {
      const state = users.get(`${appId}|${userId}`);
      if (state === undefined) return;
      state.hidden = hidden;
      settle(appId, userId, state);
    },
    leave(appId, userId, sessionId, at) {
      const state = users.get(`${appId}|${userId}`);
      if (state === undefined) return;
      if (at === "once") {
        // It may have been lost before, and its grace be running.
        forget(state, REMEMBERED);
        forget(state, sessionId);
        settle(appId, userId, state);
      } else if (state.sessions.has(sessionId) && state.sessions.get(sessionId) === undefined) {
        linger(appId, userId, state, sessionId, graceMs);
      }
    },
    remember(appId, userId, ms) {
      const state = stateOf(`${appId}|${userId}`);
      if (state.online) return;
      state.online = true;
      linger(appId, userId, state, REMEMBERED, ms);
    },
    close() {
      for (const state of users.values()) {
        for (const timer of state.sessions.values()) timer?.cancel();
        state.hush?.cancel();
      }
    },
  };
}
