import type { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import type { Clock } from "../ops/clock.js";

/** A session as a call needs to know it. */
export interface KnownSession {
  kind: "session";
  appId: string;
  /** The id of the session. */
  id: string;
  userId: string;
  userKind: UserKind;
  usedMs: number;
  expireMs: number;
}

/** A service key as a call needs to know it. */
export interface KnownServiceKey {
  kind: "service";
  appId: string;
  /** The id of the service key. */
  id: string;
}

/** A user that a service key acts for. */
export interface KnownUser {
  kind: "user";
  appId: string;
  /** The id of the user. */
  id: string;
  userKind: UserKind;
}

export type Known = KnownSession | KnownServiceKey | KnownUser;

/** The sessions, service keys and acting users in use, so that a call needs no query. The key of a token is its hash. */
export interface SessionCache {
  find(key: string): Known | undefined;
  /** The moment before a look-up, for `keep`. */
  mark(): number;
  /** Keeps what was looked up since the mark, unless something was forgotten meanwhile: it may have been this. */
  keep(mark: number, key: string, known: Known): void;
  /** Forgets a session that has ended, or a service key that was revoked. */
  forget(appId: string, id: string): void;
  /** Forgets all that is known of a user. */
  forgetUser(appId: string, userId: string): void;
}

export interface SessionCacheOptions {
  mostEntries: number;
  /** How long an entry is believed: what another node ended is refused here no later than this. */
  lifeMs: number;
}

/** Makes a session cache; the oldest entries go first when it is full. */
export function createSessionCache(clock: Clock, options: SessionCacheOptions): SessionCache {
  const entries = new Map<string, { known: Known; untilMs: number }>();
  const keys = new Map<string, string>();
  let forgotten = 0;
  const drop = (key: string) => {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    if (entry.known.kind !== "user") keys.delete(idOf(entry.known));
  };
  return {
    find(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      if (entry.untilMs > clock.mono()) return entry.known;
      drop(key);
      return undefined;
    },
    mark: () => forgotten,
    keep(mark, key, known) {
      if (mark !== forgotten) return;
      drop(key);
      entries.set(key, { known, untilMs: clock.mono() + options.lifeMs });
      // A user may have chosen the id of somebody's session for itself.
      if (known.kind !== "user") keys.set(idOf(known), key);
      for (const oldest of entries.keys()) {
        if (entries.size <= options.mostEntries) break;
        drop(oldest);
      }
    },
    forget(appId, id) {
      forgotten += 1;
      const key = keys.get(idOf({ appId, id }));
      if (key !== undefined) drop(key);
    },
    forgetUser(appId, userId) {
      forgotten += 1;
      for (const [key, { known }] of entries) if (known.appId === appId && userOf(known) === userId) drop(key);
    },
  };
}

const idOf = ({ appId, id }: { appId: string; id: string }): string => `${appId}|${id}`;

function userOf(known: Known): string | undefined {
  if (known.kind === "session") return known.userId;
  return known.kind === "user" ? known.id : undefined;
}
