import { ChangeKind, type ConversationChanged, type HistoryCleared, peerKey } from "@parley/client";
import type { Chat } from "./chat.js";
import { loadAll } from "./lists.js";
import { resetHistory, type Thread } from "./thread.js";

/** The history of some threads reads otherwise now: what was loaded of them is forgotten and asked for again. */
function loadAgain(chat: Chat, threads: Iterable<Thread>): void {
  for (const thread of threads) {
    resetHistory(thread);
    thread.last = undefined;
  }
  chat.changed();
  void loadAll(chat);
}

/** Takes in that a user was deleted, who may have spoken anywhere. */
export function takeUserDeleted(chat: Chat): void {
  loadAgain(chat, chat.threads.values());
}

/** Takes in that a history can no longer be read, or no longer in part. */
export function takeHistoryCleared(chat: Chat, { peer }: HistoryCleared): void {
  loadAgain(chat, threadsOf(chat, peer));
}

/** Takes in that a conversation left the list, or was filled from elsewhere. */
export function takeConversationChanged(chat: Chat, { peer, change }: ConversationChanged): void {
  const [thread] = threadsOf(chat, peer);
  if (change !== ChangeKind.REMOVED) loadAgain(chat, thread ? [thread] : []);
  else if (thread && thread !== chat.open) chat.threads.delete(thread.key);
  chat.changed();
}

function threadsOf(chat: Chat, peer: HistoryCleared["peer"]): Thread[] {
  const thread = peer && chat.threads.get(peerKey(peer));
  return thread ? [thread] : [];
}
