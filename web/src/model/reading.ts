import type { ReadMarkerChanged } from "@parley/client";
import { type Chat, inBackground } from "./chat.js";
import { putConversation } from "./lists.js";
import { isRoom, type Thread } from "./thread.js";

/** Tells the server that the user has seen the thread to its end. When that fails, the next stream tries again. */
export function markRead(chat: Chat, thread: Thread): void {
  if (isRoom(thread)) thread.unread = 0;
  if (thread.unread === 0 || thread.marking || chat.state.name !== "live") return;
  const seen = thread.heardSeq;
  thread.marking = true;
  chat.client.conversations
    .markRead(thread.peer, seen)
    .then(() => {
      thread.marking = false;
      advance(thread, seen);
      chat.changed();
    })
    .catch(() => {});
}

function advance(thread: Thread, readSeq: number): void {
  thread.readSeq = Math.max(thread.readSeq, readSeq);
  if (thread.readSeq >= thread.heardSeq) thread.unread = 0;
}

/** Somebody has read: the other side, or this user on another device. */
export function takeReadMarker(chat: Chat, { conversationId, userId, readSeq }: ReadMarkerChanged): void {
  const thread = chat.threads.get(chat.threadKeys.get(conversationId) ?? "");
  if (!thread) return;
  if (userId !== chat.me) thread.theirReadSeq = Math.max(thread.theirReadSeq, readSeq);
  else {
    advance(thread, readSeq);
    if (thread.unread > 0 && chat.state.name === "live") recount(chat, thread);
  }
  chat.changed();
}

/** Read in part elsewhere: the server knows how much is left. */
function recount(chat: Chat, thread: Thread): void {
  const counted = chat.client.conversations
    .get(thread.peer)
    .then((conversation) => putConversation(chat, conversation));
  inBackground(chat, counted);
}
