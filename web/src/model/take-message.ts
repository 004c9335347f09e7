import type { ChatMessage } from "@parley/client";
import { type Chat, threadOf } from "./chat.js";
import { senderId, threadPeer } from "./peers.js";
import { isRoom, putMessage, type Thread, trim } from "./thread.js";

/** Takes in a new message of the stream. */
export function takeMessage(chat: Chat, message: ChatMessage): void {
  const thread = threadOf(chat, threadPeer(message, chat.me));
  const from = senderId(message);
  placeMessage(chat, thread, message);
  if (from !== undefined) thread.typing.delete(from);
  const isNew = message.seq > thread.heardSeq || isRoom(thread);
  thread.heardSeq = Math.max(thread.heardSeq, message.seq);
  if (isNew && countsAsUnread(message, thread, chat.me)) thread.unread += 1;
  if (thread !== chat.open || isRoom(thread)) trim(thread);
  chat.changed();
}

function countsAsUnread(message: ChatMessage, { readSeq }: Thread, me: string): boolean {
  if (message.seq > 0 && message.seq <= readSeq) return false;
  return senderId(message) !== me && message.content?.content.case !== "notice";
}

/** Takes in the answer to a send. What others wrote before it may still be under way on the stream. */
export function takeSent(chat: Chat, message: ChatMessage): void {
  placeMessage(chat, threadOf(chat, threadPeer(message, chat.me)), message);
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
