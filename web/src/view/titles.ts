import type { Chat } from "../model/chat.js";
import { peerId } from "../model/peers.js";
import type { Thread } from "../model/thread.js";
import { typists } from "../model/typing.js";

/** What a thread is called. */
export function threadTitle(chat: Chat, { peer }: Thread): string {
  const id = peerId(peer);
  switch (peer.peer.case) {
    case "userId":
      return chat.names.of(id);
    case "groupId":
      return chat.groups.get(id)?.name || "Unnamed group";
    case "roomId":
      return chat.rooms.get(id)?.name || "Unnamed room";
    default:
      return "System";
  }
}

/** Whether what is known of the others' presence is of now: while the stream is held back or lost it grows old. */
export function isCurrent({ state }: Pick<Chat, "state">): boolean {
  return state.name === "live" || state.name === "replaying" || (state.name === "connecting" && state.failures === 0);
}

/** The line under the title. */
export function threadSubtitle(chat: Chat, { peer }: Thread): string {
  const id = peerId(peer);
  switch (peer.peer.case) {
    case "userId":
      if (!chat.friends.has(id)) return id === chat.me ? "You" : "Not a friend";
      if (!isCurrent(chat)) return "A friend";
      return chat.online.has(id) ? "Online" : "Offline";
    case "groupId":
    case "roomId": {
      const circle = peer.peer.case === "groupId" ? chat.groups.get(id) : chat.rooms.get(id);
      if (!circle) return "You are no member here";
      const names = circle.memberUserIds.map((userId) => (userId === chat.me ? "You" : chat.names.of(userId)));
      return names.length > 0 ? names.join(", ") : `${circle.memberCount} members`;
    }
    default:
      return "Messages from the app itself";
  }
}

/** Such as "Jerry is typing…". */
export function typingText(chat: Chat, thread: Thread): string {
  const names = typists(thread).map((userId) => chat.names.of(userId));
  if (names.length === 0) return "";
  return names.length > 2 ? "Several are typing…" : `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing…`;
}
