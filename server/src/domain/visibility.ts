import { isGroupPlace } from "../store/audience.js";
import { findOwnView } from "../store/conversations.js";
import { findMember, findPlace } from "../store/members.js";
import type { Db } from "../store/schema.js";
import { findUser } from "../store/users.js";
import { directUsers, isOpenTo } from "./conversation-id.js";
import { DomainError, ErrorReason, notFound } from "./errors.js";

/**
 * The position after which a user may read a conversation's history. Nothing before the user came to be, and nothing that it has hidden from
 * itself; in a group nothing before it joined, unless the group says so. Throws NOT_FOUND for an unknown group or user, NOT_MEMBER for one who
 * is not, or no longer, a member. What was said with a user that was deleted since stays with the other.
 */
export async function visibleAfter(db: Db, appId: string, userId: string, conversationId: string): Promise<number> {
  const user = await findUser(db, appId, userId);
  if (user === undefined) throw notFound("user", "peer.user_id");
  const own = await findOwnView(db, appId, userId, conversationId);
  const after = Math.max(user.created_pos, own?.hidden_pos ?? 0);
  if (isGroupPlace(conversationId)) {
    const group = await findPlace(db, appId, conversationId);
    if (group === undefined) throw notFound("group", "peer.group_id");
    const member = await findMember(db, appId, conversationId, userId);
    if (member === undefined) throw new DomainError(ErrorReason.NOT_MEMBER, "you are not a member of this group");
    return group.history_for_new_members === 1 ? after : Math.max(after, member.joined_pos - 1);
  }
  const other = directUsers(conversationId)?.find((id) => id !== userId);
  if (own === undefined && other !== undefined && (await findUser(db, appId, other)) === undefined)
    throw notFound("user", "peer.user_id");
  return after;
}

/** Whether a user may read a message that stands at a position of a conversation. */
export async function mayRead(
  db: Db,
  appId: string,
  userId: string,
  conversationId: string,
  pos: number,
): Promise<boolean> {
  if (!isOpenTo(conversationId, userId)) return false;
  try {
    return pos > (await visibleAfter(db, appId, userId, conversationId));
  } catch (error) {
    if (error instanceof DomainError) return false;
    throw error;
  }
}
