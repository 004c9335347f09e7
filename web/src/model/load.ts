import { type Conversation, type Friend, toParleyError, user } from "@parley/client";
import { type Chat, inBackground, threadOf } from "./chat.js";
import { putCircle } from "./circles.js";
import { takeMessage } from "./listen.js";
import { putMessage, type Thread } from "./thread.js";
import { timeMs } from "./time.js";

const pageSize = 40;
const conversationPages = 10;

/** Brings the lists up to date. Called whenever the stream is live again, so that a failure mends itself. */
export async function loadAll(chat: Chat): Promise<void> {
  try {
    await Promise.all([loadFriends(chat), loadConversations(chat), loadGroups(chat), loadRooms(chat)]);
    for (const out of chat.client.messages.pending()) threadOf(chat, out.receiver);
    if (chat.open?.history === "head") await loadOlder(chat, chat.open);
  } catch (error) {
    if (toParleyError(error).reason !== "UNREACHABLE") chat.fail(error);
  }
  chat.changed();
}

function putFriend(chat: Chat, friend: Friend): void {
  chat.friends.set(friend.userId, friend);
  if (friend.user) chat.names.set(friend.user);
}

async function loadFriends(chat: Chat): Promise<void> {
  const friends = await chat.client.friends.fetch({ detail: true });
  chat.friends.clear();
  for (const friend of friends) putFriend(chat, friend);
}

/** A friendship was made or ended. */
export function loadFriend(chat: Chat, userId: string): void {
  if (chat.state.name !== "live") return;
  const found = chat.client.friends.get(userId).then(
    (friend) => {
      putFriend(chat, friend);
      if (friend.online) chat.online.add(userId);
      threadOf(chat, user(userId));
    },
    (error) => {
      if (toParleyError(error).reason !== "NOT_FRIEND") throw error;
      chat.friends.delete(userId);
      chat.online.delete(userId);
    },
  );
  inBackground(chat, found);
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
  if (conversation.headSeq < thread.headSeq) return;
  thread.headSeq = conversation.headSeq;
  thread.readSeq = Math.max(thread.readSeq, conversation.readSeq);
  thread.unread = thread.readSeq >= thread.headSeq ? 0 : conversation.unreadCount;
  const { lastMessage } = conversation;
  if (!lastMessage || thread.last) return;
  thread.last = lastMessage;
  thread.activeMs = timeMs(lastMessage.createTime);
}

/** Loads the newest page of a thread, or the page before what is shown. */
export async function loadOlder(chat: Chat, thread: Thread): Promise<void> {
  if (thread.history === "loading" || thread.history === "complete") return;
  const before = thread.history;
  const oldest = thread.messages.find(({ seq }) => seq > 0)?.seq;
  thread.history = "loading";
  chat.changed();
  try {
    const place = before === "more" && oldest !== undefined ? { beforeSeq: oldest } : {};
    const page = await chat.client.history.list(thread.peer, { pageSize, ...place });
    for (const message of page.messages) {
      if (before === "more") putMessage(thread, message);
      else takeMessage(chat, message);
    }
    thread.history = page.nextPageToken === "" ? "complete" : "more";
  } catch (error) {
    thread.history = before;
    if (toParleyError(error).reason !== "NOT_FOUND") throw error;
    thread.history = "complete";
  } finally {
    chat.changed();
  }
}
