import type { Clock } from "./clock.js";
import { type Credential, type SessionCredential, toLoginCredential } from "./credential.js";
import { ParleyError, rejectsSession, toParleyError } from "./errors.js";
import type { InstallationKeeper } from "./installations.js";
import { reconnectWait } from "./reconnect-policy.js";
import { bearer, type Rpc } from "./rpc.js";
import type { Session, SessionStore } from "./session-store.js";

/** What the session needs from outside. */
export interface SessionPorts {
  readonly rpc: Rpc;
  readonly clock: Clock;
  readonly store: SessionStore;
  readonly appId: string;
  readonly clientKey: string;
  /** What this device is; named by each login. */
  readonly installation: Pick<InstallationKeeper, "current">;
  /** The bound of the first real wait before a logout is told again, in milliseconds. */
  readonly waitMs: number;
}

/** Who the client is just now, and how it becomes somebody else. */
export interface SessionKeeper {
  readonly current: Session | undefined;
  /** Opens a session, or takes one over. Logouts that the server has not heard of are told first. */
  login(credential: Credential | SessionCredential): Promise<Session & { created: boolean }>;
  /** Takes up the saved session; undefined when there is none. Asks the server nothing. */
  restore(userId?: string): Promise<Session | undefined>;
  /** Ends the session here at once, and at the server as soon as it hears of it, be it after a restart. Rejects when it has not heard yet. */
  logout(): Promise<void>;
  /** The server does not accept the session any more: it is forgotten. */
  drop(): Promise<void>;
  /** Forgets the session here; it stays saved. */
  forget(): void;
  /** Tells the server of the logouts it has not heard of; never rejects. */
  finishLogouts(): Promise<void>;
  /** Stops telling; what the server has not heard stays saved. */
  close(): void;
}

export function createSessionKeeper({ rpc, clock, store, waitMs, ...app }: SessionPorts): SessionKeeper {
  let current: Session | undefined;
  let failures = 0;
  let closed = false;
  let cancelRetry = () => {};
  /** What the end of a session still writes; the next one waits for it. */
  let ending: Promise<void> = Promise.resolve();

  function end(write: () => Promise<void>): Promise<void> {
    const written = ending.then(write);
    ending = written.catch(() => {});
    return written;
  }

  async function open(credential: Credential): Promise<Session & { created: boolean }> {
    const { appId, clientKey } = app;
    const installation = await app.installation.current();
    const response = await rpc.auth.login({
      appId,
      clientKey,
      credential: toLoginCredential(credential),
      ...(installation && { installation }),
    });
    const { userId, sessionId, sessionToken, created } = response;
    return { userId, sessionId, token: sessionToken, created };
  }

  /** A token tells neither its user nor its session, but the server knows. */
  async function adopt(token: string): Promise<Session & { created: boolean }> {
    let pageToken = "";
    do {
      const page = await rpc.auth.listSessions({ pageSize: 100, pageToken }, { headers: bearer(token) });
      const own = page.sessions.find((session) => session.current);
      if (own) return { userId: own.userId, sessionId: own.sessionId, token, created: false };
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    throw new ParleyError("UNAUTHENTICATED", "the token belongs to no session", { code: "unauthenticated" });
  }

  /** Tells one logout. Returns the error when the server has not heard it. */
  async function tellLogout(key: string, token: string): Promise<ParleyError | undefined> {
    try {
      await rpc.auth.logout({}, { headers: bearer(token) });
    } catch (thrown) {
      const error = toParleyError(thrown);
      if (!rejectsSession(error)) return error;
    }
    await store.removeLogout(key);
    return undefined;
  }

  async function tellLogouts(): Promise<ParleyError | undefined> {
    cancelRetry();
    let unheard: ParleyError | undefined;
    for (const { key, token } of await store.logouts()) unheard = (await tellLogout(key, token)) ?? unheard;
    failures = unheard ? failures + 1 : 0;
    if (unheard && !closed) {
      const wait = reconnectWait(failures + 1, waitMs, clock, unheard.retryDelayMs);
      cancelRetry = clock.setTimer(wait, () => void tellLogouts().catch(() => {}));
    }
    return unheard;
  }

  return {
    get current() {
      return current;
    },
    async login(credential) {
      await ending;
      await tellLogouts();
      const session = "sessionToken" in credential ? await adopt(credential.sessionToken) : await open(credential);
      const { created: _, ...kept } = session;
      await store.save(kept);
      current = kept;
      return session;
    },
    async restore(userId) {
      await ending;
      current = await store.load(userId);
      return current;
    },
    async logout() {
      const session = current;
      if (!session) return;
      current = undefined;
      await end(async () => {
        await store.keepLogout(session);
        await store.remove(session);
      });
      const unheard = await tellLogouts();
      if (unheard) throw unheard;
    },
    async drop() {
      const session = current;
      current = undefined;
      if (session) await end(() => store.remove(session));
    },
    forget() {
      current = undefined;
    },
    async finishLogouts() {
      await tellLogouts().catch(() => {});
    },
    close() {
      closed = true;
      cancelRetry();
    },
  };
}
