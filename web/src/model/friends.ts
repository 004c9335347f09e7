import { type Friend, toParleyError } from "@parley/client";
import { type Chat, inBackground } from "./chat.js";

function putFriend(chat: Chat, friend: Friend): void {
  chat.friends.set(friend.userId, friend);
  if (friend.user) chat.names.set(friend.user);
}

/** Gets all friends. Who of them is online the stream has told before. */
export async function loadFriends(chat: Chat): Promise<void> {
  const friends = await chat.client.friends.fetch({ detail: true });
  chat.friends.clear();
  for (const friend of friends) putFriend(chat, friend);
}

/** A friendship was made or ended. While events are replayed nothing is asked for: all lists are loaded afterwards. */
export function takeFriendChange(chat: Chat, userId: string): void {
  if (chat.state.name === "live") inBackground(chat, loadFriend(chat, userId));
}

async function loadFriend(chat: Chat, userId: string): Promise<void> {
  try {
    const friend = await chat.client.friends.get(userId);
    putFriend(chat, friend);
    if (friend.online) chat.online.add(userId);
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
