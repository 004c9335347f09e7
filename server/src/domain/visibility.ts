import { isGroupPlace } from "../store/audience.js";
import { findBeside, type UserAndConversation } from "../store/conversations.js";
import { findMember, findPlace } from "../store/members.js";
import type { Db } from "../store/schema.js";
import { findUser } from "../store/users.js";
import { directUsers, isOpenTo } from "./conversation-id.js";
import { DomainError, ErrorReason, notFound } from "./errors.js";

/** What a user may see of a conversation. */
export interface View extends Pick<UserAndConversation, "own" | "conversation"> {
  /** The position after which it may read the history. */
  afterPos: number;
}

/**
 * What a user may see of a conversation's history. Nothing before the user came to be, and nothing that it has hidden from
 * itself; in a group nothing before it joined, unless the group says so. Throws NOT_FOUND for an unknown group or user, NOT_MEMBER for one who
 * is not, or no longer, a member. What was said with a user that was deleted since stays with the other.
 */
export async function viewOf(db: Db, appId: string, userId: string, conversationId: string): Promise<View> {
  const beside = await findBeside(db, appId, userId, conversationId);
  if (beside === undefined) throw notFound("user", "peer.user_id");
  const { createdPos, own, conversation } = beside;
  const afterPos = Math.max(createdPos, own?.hidden_pos ?? 0);
  if (isGroupPlace(conversationId)) {
    const group = await findPlace(db, appId, conversationId);
    if (group === undefined) throw notFound("group", "peer.group_id");
    const member = await findMember(db, appId, conversationId, userId);
    if (member === undefined) throw new DomainError(ErrorReason.NOT_MEMBER, "you are not a member of this group");
    const isOpen = group.history_for_new_members === 1;
    return { own, conversation, afterPos: isOpen ? afterPos : Math.max(afterPos, member.joined_pos - 1) };
  }
  const other = directUsers(conversationId)?.find((id) => id !== userId);
  if (own === undefined && other !== undefined && (await findUser(db, appId, other)) === undefined)
    throw notFound("user", "peer.user_id");
  return { own, conversation, afterPos };
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
    return pos > (await viewOf(db, appId, userId, conversationId)).afterPos;
  } catch (error) {
    if (error instanceof DomainError) return false;
    throw error;
  }
}
