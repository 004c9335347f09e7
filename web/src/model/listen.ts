import { ResyncReason, type StreamEvent } from "@parley/client";
import type { Chat } from "./chat.js";
import { takeGroup, takeGroupMembers, takeRoom, takeRoomMembers } from "./circles.js";
import { takeFriendChange } from "./friends.js";
import { loadAll } from "./lists.js";
import { takeReadMarker } from "./reading.js";
import { takeConversationChanged, takeHistoryCleared, takeUserDeleted } from "./rewritten.js";
import { takeMessage, takeUpdate } from "./take-message.js";
import { resetHistory } from "./thread.js";
import { takeTyping } from "./typing.js";

function takeState(chat: Chat): void {
  const before = chat.state.name;
  chat.state = chat.client.state;
  chat.changed();
  if (chat.state.name !== "live" || before === "live") return;
  for (const thread of chat.threads.values()) Object.assign(thread, { marking: false, stuck: false });
  chat.names.retry();
  void loadAll(chat);
}

function takePresence(chat: Chat, { userId, online }: { userId: string; online: boolean }): void {
  chat.presenceNews.add(userId);
  if (online) chat.online.add(userId);
  else chat.online.delete(userId);
  chat.changed();
}

/** Groups and rooms, from the raw event: it carries the time for the notice. */
function takeCircleEvent(chat: Chat, { event, cursor, createTime }: StreamEvent): void {
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
    if (reason === ResyncReason.HISTORY_CHANGED) Object.assign(thread, { heardSeq: 0, readSeq: 0, theirReadSeq: 0 });
  }
  chat.changed();
}

/** Keeps the chat as the stream tells. Called before logging in, so that nothing is missed. */
export function listen(chat: Chat): void {
  const { client } = chat;
  const messages = ["friendMessage", "groupMessage", "roomMessage", "ownMessage", "systemMessage"] as const;
  for (const name of messages) client.on(name, (message) => takeMessage(chat, message));
  client.on("messageUpdated", (message) => takeUpdate(chat, message));
  client.on("friendOnline", (change) => takePresence(chat, change));
  client.on("friendOffline", (change) => takePresence(chat, change));
  client.on("friendChanged", ({ userId }) => takeFriendChange(chat, userId));
  client.on("typing", (change) => takeTyping(chat, change));
  client.on("readMarker", (marker) => takeReadMarker(chat, marker));
  client.on("userChanged", (user) => {
    chat.names.set(user);
    chat.changed();
  });
  client.on("userDeleted", () => takeUserDeleted(chat));
  client.on("historyCleared", (cleared) => takeHistoryCleared(chat, cleared));
  client.on("conversationChanged", (change) => takeConversationChanged(chat, change));
  client.on("event", (event) => takeCircleEvent(chat, event));
  client.on("resync", ({ reason }) => resync(chat, reason));
  client.on("state", () => takeState(chat));
  client.on("disconnected", (error) => {
    chat.lost = error;
  });
  client.on("error", chat.fail);
}
