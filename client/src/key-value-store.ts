/**
 * What survives a restart: cursors, sessions and pending sends, as text under keys. Keys hold any characters.
 * Every method may answer at once or by a promise. A value that was set must be readable by the next start of the program.
 */
export interface KeyValueStore {
  /** The value under `key`; undefined when there is none. */
  get(key: string): string | undefined | Promise<string | undefined>;
  set(key: string, value: string): void | Promise<void>;
  /** Removes the key; succeeds when there is none. */
  remove(key: string): void | Promise<void>;
  /** The keys that start with `prefix`, in rising order. */
  keys(prefix: string): string[] | Promise<string[]>;
}

/** Makes a storage that lives as long as the program. */
export function memoryStore(): KeyValueStore {
  const values = new Map<string, string>();
  return {
    get: (key) => values.get(key),
    set: (key, value) => void values.set(key, value),
    remove: (key) => void values.delete(key),
    keys: (prefix) => [...values.keys()].filter((key) => key.startsWith(prefix)).sort(),
  };
}

/** The app of one server, and one user of it: what two users of one browser profile or folder never share. */
export interface Scope {
  readonly baseUrl: string;
  readonly appId: string;
  readonly userId: string;
}

/** The start of every key of an app. Each part is escaped, so no part can reach into another. */
export function appPrefix({ baseUrl, appId }: Pick<Scope, "baseUrl" | "appId">): string {
  return `parley/${encodeURIComponent(baseUrl)}/${encodeURIComponent(appId)}/`;
}

/** The start of every key of one user of an app. */
export function userPrefix(scope: Scope): string {
  return `${appPrefix(scope)}user/${encodeURIComponent(scope.userId)}/`;
}
