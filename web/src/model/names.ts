import { type Client, toParleyError, type User } from "@parley/client";

/** What users are called. */
export interface Names {
  /** The name of a user, or the id as long as no name is known; it is then asked for. */
  of(userId: string): string;
  set(user: User): void;
  /** Asks again for the names that could not be had. */
  retry(): void;
}

/** The number of users that one call may ask for. */
const batch = 100;

export function createNames(client: Client, changed: () => void): Names {
  const names = new Map<string, string>();
  const wanted = new Set<string>();
  let asking = false;

  async function ask(): Promise<void> {
    const userIds = [...wanted].slice(0, batch);
    try {
      for (const user of await client.users.getMany(userIds)) names.set(user.userId, user.displayName);
    } catch (error) {
      if (toParleyError(error).retryable) throw error;
    }
    for (const userId of userIds) {
      if (!names.has(userId)) names.set(userId, "");
      wanted.delete(userId);
    }
    changed();
  }

  /** A failure is not told: the id is good enough until the next stream asks again. */
  async function askForAll(): Promise<void> {
    if (asking) return;
    asking = true;
    await Promise.resolve();
    try {
      while (wanted.size > 0) await ask();
    } catch {}
    asking = false;
  }

  return {
    of(userId) {
      const name = names.get(userId);
      if (name === undefined && !wanted.has(userId)) {
        wanted.add(userId);
        void askForAll();
      }
      return name || userId;
    },
    set({ userId, displayName }) {
      names.set(userId, displayName);
    },
    retry: () => void askForAll(),
  };
}
