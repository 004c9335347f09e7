import { setTimeout as delay } from "node:timers/promises";
import type { TestUser } from "../support/clients.js";

/** Notes which friends a user is told to be gone, over all its streams: one that is lost is opened again. */
export function watchPresence(watcher: TestUser): { offline: string[]; stop(): Promise<void> } {
  const offline: string[] = [];
  const abort = new AbortController();
  const run = async () => {
    while (!abort.signal.aborted) {
      try {
        for await (const { frame } of watcher.rpc.message.subscribe({}, { signal: abort.signal })) {
          if (frame.case !== "event" || frame.value.event.case !== "presenceChanged") continue;
          const { userId, online } = frame.value.event.value;
          if (!online) offline.push(userId);
        }
      } catch {
        await delay(50);
      }
    }
  };
  const ended = run();
  return {
    offline,
    async stop() {
      abort.abort();
      await ended;
    },
  };
}
