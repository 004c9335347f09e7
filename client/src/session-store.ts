import { appPrefix, type KeyValueStore, type Scope, userPrefix } from "./key-value-store.js";

/** One login of one user. The token is a secret: it goes into the store and into the Authorization header, and nowhere else. */
export interface Session {
  readonly userId: string;
  readonly sessionId: string;
  readonly token: string;
}

/** Where sessions outlive the program, and the logouts the server has not heard of yet. */
export interface SessionStore {
  save(session: Session): Promise<void>;
  /** The saved session of this user; without an id of the user that logged in last, in this tab if there are tabs. */
  load(userId?: string): Promise<Session | undefined>;
  remove(session: Session): Promise<void>;
  /** Keeps the token of a session that is to be logged out. */
  keepLogout(session: Session): Promise<void>;
  /** The tokens whose logout the server has not heard of, by the key to remove them with. */
  logouts(): Promise<{ key: string; token: string }[]>;
  removeLogout(key: string): Promise<void>;
}

/** Makes the session store of one app. `tab`: a store of this tab alone, so that two tabs can be two users. */
export function createSessionStore(
  store: KeyValueStore,
  app: Pick<Scope, "baseUrl" | "appId">,
  tab: KeyValueStore = store,
): SessionStore {
  const prefix = appPrefix(app);
  const sessionKey = (userId: string) => `${userPrefix({ ...app, userId })}session`;
  const latestKey = `${prefix}latest-user`;
  const logoutPrefix = `${prefix}logout/`;

  return {
    async save(session) {
      await store.set(sessionKey(session.userId), JSON.stringify(session));
      await store.set(latestKey, session.userId);
      await tab.set(latestKey, session.userId);
    },
    async load(userId) {
      const wanted = userId ?? (await tab.get(latestKey)) ?? (await store.get(latestKey));
      const saved = wanted === undefined ? undefined : await store.get(sessionKey(wanted));
      return saved === undefined ? undefined : (JSON.parse(saved) as Session);
    },
    async remove({ userId, sessionId }) {
      const saved = await store.get(sessionKey(userId));
      if (saved !== undefined && (JSON.parse(saved) as Session).sessionId !== sessionId) return;
      await store.remove(sessionKey(userId));
      for (const place of [tab, store]) if ((await place.get(latestKey)) === userId) await place.remove(latestKey);
    },
    keepLogout: async ({ sessionId, token }) => store.set(`${logoutPrefix}${encodeURIComponent(sessionId)}`, token),
    async logouts() {
      const kept: { key: string; token: string }[] = [];
      for (const key of await store.keys(logoutPrefix)) {
        const token = await store.get(key);
        if (token !== undefined) kept.push({ key, token });
      }
      return kept;
    },
    removeLogout: async (key) => store.remove(key),
  };
}
