import type { ChatStore, Send, Stored } from "./chat-store.js";

/** What happens to a send once it is on disk, or is not. */
export interface Settle {
  stored(message: Stored): void;
  failed(error: unknown): void;
}

/** Stores everything that came in one turn of the event loop in one transaction: one fsync for all, and only then the answers. */
export function createGroupCommit(store: ChatStore): (send: Send, settle: Settle) => void {
  let sends: Send[] = [];
  let settles: Settle[] = [];

  function commit(): void {
    const [batch, waiting] = [sends, settles];
    sends = [];
    settles = [];
    let stored: Stored[];
    try {
      stored = store.append(batch);
    } catch (error) {
      for (const settle of waiting) settle.failed(error);
      return;
    }
    for (const [at, message] of stored.entries()) waiting[at]?.stored(message);
  }

  return (send, settle) => {
    if (sends.push(send) === 1) setImmediate(commit);
    settles.push(settle);
  };
}
