import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { Clock } from "../ops/clock.js";

/** The two minutes' memory of transient sends, so that a repeat is not delivered twice. */
export interface TransientMemory {
  find(key: string): { hash: string; message: ChatMessage } | undefined;
  keep(key: string, hash: string, message: ChatMessage): void;
}

const MOST_ENTRIES = 100_000;

/** Makes a memory whose entries live for a fixed time; the oldest go first when it is full. */
export function createTransientMemory(clock: Clock, lifeMs: number): TransientMemory {
  // All live equally long, so the order of insertion is the order of expiry.
  const entries = new Map<string, { hash: string; message: ChatMessage; expireMs: number }>();
  const expire = () => {
    const nowMs = clock.mono();
    for (const [key, entry] of entries) {
      if (entry.expireMs > nowMs && entries.size <= MOST_ENTRIES) break;
      entries.delete(key);
    }
  };
  return {
    find(key) {
      expire();
      return entries.get(key);
    },
    keep(key, hash, message) {
      entries.set(key, { hash, message, expireMs: clock.mono() + lifeMs });
      expire();
    },
  };
}
