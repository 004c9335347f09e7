import type { Clock } from "../ops/clock.js";

/** A transient send as it is remembered: the mark of its payload and the encoded message. */
interface RememberedSend {
  hash: string;
  message: Uint8Array;
}

/** The two minutes' memory of transient sends, so that a repeat is not delivered twice. */
export interface TransientMemory {
  find(key: string): RememberedSend | undefined;
  keep(key: string, send: RememberedSend): void;
}

const MOST_BYTES = 64 * 1024 * 1024;
/** What an entry costs besides its message. */
const ENTRY_BYTES = 400;

/** Makes a memory whose entries live for a fixed time; the oldest go first when it is full. */
export function createTransientMemory(clock: Clock, lifeMs: number): TransientMemory {
  // All live equally long, so the order of insertion is the order of expiry.
  const entries = new Map<string, RememberedSend & { expireMs: number }>();
  let bytes = 0;
  const drop = (key: string, entry: RememberedSend) => {
    entries.delete(key);
    bytes -= entry.message.length + ENTRY_BYTES;
  };
  const expire = () => {
    const nowMs = clock.mono();
    for (const [key, entry] of entries) {
      if (entry.expireMs > nowMs && bytes <= MOST_BYTES) break;
      drop(key, entry);
    }
  };
  return {
    find(key) {
      expire();
      return entries.get(key);
    },
    keep(key, send) {
      const before = entries.get(key);
      if (before !== undefined) drop(key, before);
      entries.set(key, { ...send, expireMs: clock.mono() + lifeMs });
      bytes += send.message.length + ENTRY_BYTES;
      expire();
    },
  };
}
