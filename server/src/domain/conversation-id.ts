import { groupPlace, isGroupPlace } from "../store/audience.js";

/** The id of the one-to-one conversation of two users, the same from both sides. User ids hold no colon, so it is unambiguous. */
export function directConversation(a: string, b: string): string {
  return a < b ? `d:${a}:${b}` : `d:${b}:${a}`;
}

export const groupConversation = groupPlace;

/** The id of the conversation of the system with one user. */
export const systemConversation = (userId: string): string => `y:${userId}`;

/** What a conversation is to one of its readers. */
export type ConversationPeer =
  | { kind: "user"; userId: string }
  | { kind: "group"; groupId: string }
  | { kind: "system" };

export function peerOf(conversationId: string, readerId: string): ConversationPeer {
  if (isGroupPlace(conversationId)) return { kind: "group", groupId: conversationId.slice(2) };
  if (conversationId.startsWith("y:")) return { kind: "system" };
  const [, a = "", b = ""] = conversationId.split(":");
  return { kind: "user", userId: a === readerId ? b : a };
}

/** The two users of a one-to-one conversation, or undefined for another kind. */
export function directUsers(conversationId: string): [string, string] | undefined {
  const [kind, a, b] = conversationId.split(":");
  return kind === "d" && a !== undefined && b !== undefined ? [a, b] : undefined;
}

/** Whether a conversation can be a user's at all; of a group only its membership tells. */
export function isOpenTo(conversationId: string, userId: string): boolean {
  if (isGroupPlace(conversationId)) return true;
  return directUsers(conversationId)?.includes(userId) ?? conversationId === systemConversation(userId);
}
