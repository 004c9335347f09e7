import { type Conversation, toParleyError } from "@parley/client";
import { type Chat, threadOf } from "./chat.js";
import { putCircle } from "./circles.js";
import { loadFriends } from "./friends.js";
import { loadOlder } from "./history.js";
import { timeMs } from "./time.js";

const conversationPages = 10;

/** Brings the lists up to date. Called whenever the stream is live again, so that a failure mends itself. */
export async function loadAll(chat: Chat): Promise<void> {
  try {
    await Promise.all([loadFriends(chat), loadConversations(chat), loadGroups(chat), loadRooms(chat)]);
    if (chat.open?.history === "head") await loadOlder(chat, chat.open);
  } catch (error) {
    if (toParleyError(error).reason !== "UNREACHABLE") chat.fail(error);
  }
  chat.changed();
}

async function loadGroups(chat: Chat): Promise<void> {
  const groups = await chat.client.groups.fetch({ detail: true });
  chat.groups.clear();
  for (const group of groups) putCircle(chat, group);
}

async function loadRooms(chat: Chat): Promise<void> {
  const rooms = await chat.client.rooms.fetch({ detail: true });
  chat.rooms.clear();
  for (const room of rooms) putCircle(chat, room);
}

async function loadConversations(chat: Chat): Promise<void> {
  let pageToken = "";
  for (let page = 0; page < conversationPages; page += 1) {
    const answer = await chat.client.conversations.list({ pageSize: 100, pageToken });
    for (const conversation of answer.conversations) putConversation(chat, conversation);
    pageToken = answer.nextPageToken;
    if (pageToken === "") return;
  }
}

/** The stream may be ahead of the list; then its word counts. */
export function putConversation(chat: Chat, conversation: Conversation): void {
  if (!conversation.peer) return;
  const thread = threadOf(chat, conversation.peer);
  chat.threadKeys.set(conversation.conversationId, thread.key);
  if (conversation.headSeq < thread.heardSeq) return;
  thread.heardSeq = conversation.headSeq;
  thread.readSeq = Math.max(thread.readSeq, conversation.readSeq);
  thread.unread = thread.readSeq >= thread.heardSeq ? 0 : conversation.unreadCount;
  const { lastMessage } = conversation;
  if (!lastMessage || timeMs(lastMessage.createTime) < timeMs(thread.last?.createTime)) return;
  thread.last = lastMessage;
  thread.activeMs = Math.max(thread.activeMs, timeMs(lastMessage.createTime));
}
