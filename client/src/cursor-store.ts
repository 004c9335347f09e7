import { type KeyValueStore, type Scope, userPrefix } from "./key-value-store.js";

/**
 * Where the place in the event log is kept. An application that has a database of its own gives its own store and writes the cursor in
 * the transaction that applies the event; then each event is applied exactly once, even across a crash.
 */
export interface CursorStore {
  /** The saved cursor of this user; empty when there is none. */
  load(scope: Scope): string | Promise<string>;
  /** Saves the cursor; called after the listeners of the event have returned. A later cursor replaces an earlier one. */
  save(scope: Scope, cursor: string): void | Promise<void>;
  /** Forgets the cursor, at logout. */
  clear(scope: Scope): void | Promise<void>;
}

/** Makes a cursor store on a storage. */
export function createCursorStore(storage: KeyValueStore): CursorStore {
  const key = (scope: Scope) => `${userPrefix(scope)}cursor`;
  return {
    load: async (scope) => (await storage.get(key(scope))) ?? "",
    save: (scope, cursor) => storage.set(key(scope), cursor),
    clear: (scope) => storage.remove(key(scope)),
  };
}

/** The saving of one stream's cursors. */
export interface CursorSaver {
  /** Saves the cursor; while an earlier save is under way, the newest waits and those between are passed over. */
  save(cursor: string): void;
  /** Resolves when nothing is left to save. */
  settled(): Promise<void>;
}

/** Makes a saver, so that a slow store costs writes and not events. `onError` hears of a save that failed; the next one covers it. */
export function createCursorSaver(
  write: (cursor: string) => void | Promise<void>,
  onError: (error: unknown) => void,
): CursorSaver {
  let next: string | undefined;
  let busy = false;
  let work: Promise<void> | undefined;

  async function drain(): Promise<void> {
    busy = true;
    while (next !== undefined) {
      const cursor = next;
      next = undefined;
      try {
        await write(cursor);
      } catch (error) {
        onError(error);
      }
    }
    busy = false;
  }

  return {
    save(cursor) {
      next = cursor;
      if (!busy) work = drain();
    },
    settled: async () => work,
  };
}
