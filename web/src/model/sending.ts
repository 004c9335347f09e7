import type { OutgoingMessage } from "@parley/client";
import { type Chat, threadOf } from "./chat.js";
import { takeSent } from "./take-message.js";
import type { Thread } from "./thread.js";

/** Sends a text as it is. */
export function sendText(chat: Chat, thread: Thread, text: string): void {
  thread.newAfterSeq = undefined;
  track(chat, chat.client.messages.send(thread.peer, { text }));
}

/** Shows a send until the server has confirmed it. */
function track(chat: Chat, out: OutgoingMessage): void {
  const thread = threadOf(chat, out.receiver);
  thread.outgoing.push(out);
  thread.activeMs = Math.max(thread.activeMs, Date.now());
  out.stored.then((message) => takeSent(chat, message), chat.changed);
  chat.changed();
}

/** Shows the sends that an earlier page left. */
export function trackPending(chat: Chat): void {
  for (const out of chat.client.messages.pending()) track(chat, out);
}

/** Sends again, by the same id: should the first have been stored after all, there is still only one. */
export function retry(chat: Chat, thread: Thread, { clientMessageId, content }: OutgoingMessage): void {
  discard(chat, thread, clientMessageId);
  if (content.content.case !== "text") return;
  track(chat, chat.client.messages.send(thread.peer, { text: content.content.value.text }, { clientMessageId }));
}

export function discard(chat: Chat, thread: Thread, clientMessageId: string): void {
  const index = thread.outgoing.findIndex((out) => out.clientMessageId === clientMessageId);
  if (index >= 0) thread.outgoing.splice(index, 1);
  chat.changed();
}
