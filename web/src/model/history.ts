import { toParleyError } from "@parley/client";
import type { Chat } from "./chat.js";
import { placeMessage } from "./take-message.js";
import type { Thread } from "./thread.js";

const pageSize = 40;

/** Whether there may be more to load, and loading it may succeed. */
export function mayLoad({ history, stuck }: Thread): boolean {
  return (history === "head" || history === "more") && !stuck;
}

/** Loads the newest page of a thread, or the page before what is shown. */
export async function loadOlder(chat: Chat, thread: Thread): Promise<void> {
  const before = thread.history;
  if (!mayLoad(thread)) return;
  const oldest = thread.messages.find(({ seq }) => seq > 0)?.seq;
  thread.history = "loading";
  try {
    const place = before === "more" && oldest !== undefined ? { beforeSeq: oldest } : {};
    const page = await chat.client.history.list(thread.peer, { pageSize, ...place });
    if (isReset(thread)) return;
    for (const message of page.messages) placeMessage(chat, thread, message);
    thread.history = page.nextPageToken === "" ? "complete" : "more";
  } catch (error) {
    if (isReset(thread)) return;
    thread.history = before;
    thread.stuck = true;
    const { reason } = toParleyError(error);
    // A user who does not exist, or one never written to; sending will tell.
    if (reason === "NOT_FOUND") thread.history = "complete";
    // The stream tells of that, and when it is live again this is tried again.
    else if (reason !== "UNREACHABLE") throw error;
  } finally {
    chat.changed();
  }
}

/** What is asked for now has become worthless meanwhile. */
function isReset({ history }: Thread): boolean {
  return history !== "loading";
}
