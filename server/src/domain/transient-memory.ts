import type { Clock } from "../ops/clock.js";
import type { SentTransient, TransientEvent } from "../ports.js";
import { messageIn } from "./events.js";

/** A transient send as it is remembered: the mark of all that was sent and the encoded message. */
interface RememberedSend {
  hash: string;
  message: Uint8Array;
}

/**
 * The two minutes' memory of transient sends, so that a repeat is not delivered twice. A node remembers what it hears from others too: a repeat that
 * comes to a node that has not heard of the first one is answered as a new send there, and dropped by those that deliver it.
 */
export interface TransientMemory {
  find(appId: string, sent: Pick<SentTransient, "senderId" | "clientMessageId">): RememberedSend | undefined;
  keep(event: TransientEvent): void;
  /** Takes what another node has published. Tells whether it is no repeat. */
  isNew(event: TransientEvent): boolean;
}

const MOST_BYTES = 64 * 1024 * 1024;
/** What an entry costs besides its message. */
const ENTRY_BYTES = 400;

/** Makes a memory whose entries live for a fixed time; the oldest go first when it is full. */
export function createTransientMemory(clock: Clock, lifeMs: number): TransientMemory {
  // All live equally long, so the order of insertion is the order of expiry.
  const entries = new Map<string, Entry>();
  let bytes = 0;
  const drop = (key: string, { event }: Entry) => {
    entries.delete(key);
    bytes -= event.payload.length + ENTRY_BYTES;
  };
  const expire = () => {
    const nowMs = clock.mono();
    for (const [key, entry] of entries) {
      if (entry.expireMs > nowMs && bytes <= MOST_BYTES) break;
      drop(key, entry);
    }
  };
  const keep = (event: TransientEvent) => {
    if (event.sent === undefined) return;
    const key = keyOf(event.appId, event.sent);
    const before = entries.get(key);
    if (before !== undefined) drop(key, before);
    entries.set(key, { event, hash: event.sent.hash, expireMs: clock.mono() + lifeMs });
    bytes += event.payload.length + ENTRY_BYTES;
    expire();
  };
  return {
    find(appId, sent) {
      expire();
      const found = entries.get(keyOf(appId, sent));
      return found && { hash: found.hash, message: messageIn(found.event) };
    },
    keep,
    isNew(event) {
      if (event.sent === undefined) return true;
      expire();
      if (entries.has(keyOf(event.appId, event.sent))) return false;
      keep(event);
      return true;
    },
  };
}

interface Entry {
  event: TransientEvent;
  hash: string;
  expireMs: number;
}

const keyOf = (appId: string, { senderId, clientMessageId }: Pick<SentTransient, "senderId" | "clientMessageId">) =>
  `${appId}|${senderId}|${clientMessageId}`;
