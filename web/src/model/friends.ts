import { type Friend, toParleyError } from "@parley/client";
import { type Chat, inBackground } from "./chat.js";

function putFriend(chat: Chat, friend: Friend): void {
  const { userId, online, user } = friend;
  chat.friends.set(userId, friend);
  if (user) chat.names.set(user);
  if (chat.presenceNews.has(userId)) return;
  if (online) chat.online.add(userId);
  else chat.online.delete(userId);
}

/** Gets all friends. */
export async function loadFriends(chat: Chat): Promise<void> {
  chat.presenceNews.clear();
  const friends = await chat.client.friends.fetch({ detail: true });
  chat.friends.clear();
  for (const friend of friends) putFriend(chat, friend);
}

/** A friendship was made or ended. While events are replayed nothing is asked for: all lists are loaded afterwards. */
export function takeFriendChange(chat: Chat, userId: string): void {
  if (chat.state.name === "live") inBackground(chat, loadFriend(chat, userId));
}

async function loadFriend(chat: Chat, userId: string): Promise<void> {
  chat.presenceNews.delete(userId);
  try {
    putFriend(chat, await chat.client.friends.get(userId));
  } catch (error) {
    if (toParleyError(error).reason !== "NOT_FRIEND") throw error;
    chat.friends.delete(userId);
    chat.online.delete(userId);
  }
}

export function addFriend(chat: Chat, userId: string): Promise<void> {
  return chat.client.friends.add(userId).then(() => loadFriend(chat, userId));
}

export function removeFriend(chat: Chat, userId: string): Promise<void> {
  return chat.client.friends.remove(userId).then(() => loadFriend(chat, userId));
}
