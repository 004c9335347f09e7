import type { ChatMessage } from "@parley/client";
import { type Chat, threadOf } from "./chat.js";
import { senderId, threadPeer } from "./peers.js";
import { putMessage, type Thread } from "./thread.js";

/** Takes in a new message, from the stream or as the answer to a send. */
export function takeMessage(chat: Chat, message: ChatMessage): void {
  const thread = threadOf(chat, threadPeer(message, chat.me));
  const from = senderId(message);
  placeMessage(chat, thread, message);
  if (from !== undefined) thread.typing.delete(from);
  if (message.seq > thread.headSeq) {
    thread.headSeq = message.seq;
    if (from !== chat.me && message.content?.content.case !== "notice") thread.unread += 1;
  }
  chat.changed();
}

/** Puts a message in its thread; if it is what this device sent, the send is over. */
export function placeMessage(chat: Chat, thread: Thread, message: ChatMessage): void {
  putMessage(thread, message);
  if (message.conversationId) chat.threadKeys.set(message.conversationId, thread.key);
  if (senderId(message) !== chat.me) return;
  const sent = thread.outgoing.findIndex(({ clientMessageId }) => clientMessageId === message.clientMessageId);
  if (sent >= 0) thread.outgoing.splice(sent, 1);
}

/** Takes in a change of a message that is known here; others are loaded as they are. */
export function takeUpdate(chat: Chat, message: ChatMessage): void {
  const thread = threadOf(chat, threadPeer(message, chat.me));
  if (thread.messages.some(({ messageId }) => messageId === message.messageId)) putMessage(thread, message);
  if (thread.last?.messageId === message.messageId) thread.last = message;
  chat.changed();
}
