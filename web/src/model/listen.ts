import { type ChatMessage, peerKey, ResyncReason, type StreamEvent } from "@parley/client";
import { type Chat, threadOf } from "./chat.js";
import { takeGroup, takeGroupMembers, takeRoom, takeRoomMembers } from "./circles.js";
import { loadAll, loadFriend } from "./load.js";
import { senderId, threadPeer } from "./peers.js";
import { takeReadMarker } from "./reading.js";
import { putMessage, resetHistory } from "./thread.js";
import { takeTyping } from "./typing.js";

/** Takes in a new message, from the stream or as the answer to a send. */
export function takeMessage(chat: Chat, message: ChatMessage): void {
  const thread = threadOf(chat, threadPeer(message, chat.me));
  const from = senderId(message);
  putMessage(thread, message);
  if (message.conversationId) chat.threadKeys.set(message.conversationId, thread.key);
  if (from !== undefined) thread.typing.delete(from);
  const sent = thread.outgoing.findIndex(({ clientMessageId }) => clientMessageId === message.clientMessageId);
  if (from === chat.me && sent >= 0) thread.outgoing.splice(sent, 1);
  if (message.seq > thread.headSeq) {
    thread.headSeq = message.seq;
    if (from !== chat.me && message.content?.content.case !== "notice") thread.unread += 1;
  }
  chat.changed();
}

function takeState(chat: Chat): void {
  const before = chat.state.name;
  chat.state = chat.client.state;
  chat.changed();
  if (chat.state.name !== "live" || before === "live") return;
  for (const thread of chat.threads.values()) thread.marking = false;
  chat.names.retry();
  void loadAll(chat);
}

/** The rest of the stream, which is about who is where. */
function takeEvent(chat: Chat, { event, cursor, createTime }: StreamEvent): void {
  const source = { id: cursor, time: createTime };
  if (event.case === "groupChanged") takeGroup(chat, event.value, source);
  else if (event.case === "groupMemberChanged") takeGroupMembers(chat, event.value, source);
  else if (event.case === "roomChanged") takeRoom(chat, event.value, source);
  else if (event.case === "roomMemberChanged") takeRoomMembers(chat, event.value, source);
}

/** What was missed is gone for good, so nothing that was loaded is trusted any more. */
function resync(chat: Chat, reason: ResyncReason): void {
  for (const thread of chat.threads.values()) {
    resetHistory(thread);
    if (reason === ResyncReason.HISTORY_CHANGED) Object.assign(thread, { headSeq: 0, readSeq: 0, theirReadSeq: 0 });
  }
  chat.changed();
}

/** Keeps the chat as the stream tells. Call it before logging in, so that nothing is missed. */
export function listen(chat: Chat): void {
  const { client } = chat;
  const take = (message: ChatMessage) => takeMessage(chat, message);
  const presence = ({ userId, online }: { userId: string; online: boolean }) => {
    if (online) chat.online.add(userId);
    else chat.online.delete(userId);
    chat.changed();
  };
  for (const name of ["friendMessage", "groupMessage", "roomMessage", "ownMessage", "systemMessage"] as const)
    client.on(name, take);
  client.on("messageUpdated", (message) => {
    const thread = chat.threads.get(peerKey(threadPeer(message, chat.me)));
    if (thread?.messages.some(({ messageId }) => messageId === message.messageId)) putMessage(thread, message);
    if (thread?.last?.messageId === message.messageId) thread.last = message;
    chat.changed();
  });
  client.on("friendOnline", presence);
  client.on("friendOffline", presence);
  client.on("friendChanged", ({ userId }) => loadFriend(chat, userId));
  client.on("typing", (change) => takeTyping(chat, change));
  client.on("readMarker", (marker) => takeReadMarker(chat, marker));
  client.on("userChanged", (user) => {
    chat.names.set(user);
    chat.changed();
  });
  client.on("event", (event) => takeEvent(chat, event));
  client.on("resync", ({ reason }) => resync(chat, reason));
  client.on("state", () => takeState(chat));
  client.on("disconnected", (error) => {
    chat.lost = error;
  });
  client.on("error", chat.fail);
}
