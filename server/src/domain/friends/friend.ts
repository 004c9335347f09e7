import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { type Friend, FriendSchema } from "@parley/proto/parley/v1/friend_pb.js";
import { findNewestMessages } from "../../store/friends.js";
import type { Db } from "../../store/schema.js";
import { findUser, findUsers, type UserRow } from "../../store/users.js";
import type { UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { directConversation } from "../conversation-id.js";
import { userOf } from "../user.js";
import { presenceOf } from "../users/presence.js";

/** A friendship with the friend's presence and profile. */
export function friendOf(ctx: Ctx, user: UserRow, createMs: number, newest?: Uint8Array): Friend {
  const { userId, online, lastActiveTime } = presenceOf(ctx, user);
  return create(FriendSchema, {
    userId,
    createTime: timestampFromMs(createMs),
    online,
    lastActiveTime,
    user: userOf(user),
    lastMessage: newest && fromBinary(ChatMessageSchema, newest),
  });
}

/** Friends of the caller, whole, with the newest message that it may see, by a fixed number of queries. */
export async function wholeFriends(
  ctx: Ctx,
  db: Db,
  caller: UserCaller,
  friends: readonly { friend_id: string; create_ms: number }[],
): Promise<Friend[]> {
  const { appId, userId } = caller;
  const self = await findUser(db, appId, userId);
  const ids = friends.map((friend) => friend.friend_id);
  const users = new Map((await findUsers(db, appId, ids)).map((user) => [user.user_id, user]));
  const conversations = ids.map((id) => directConversation(userId, id));
  const newest = await findNewestMessages(db, appId, userId, conversations, self?.created_pos ?? 0);
  return friends.flatMap(({ friend_id, create_ms }) => {
    const user = users.get(friend_id);
    return user ? [friendOf(ctx, user, create_ms, newest.get(directConversation(userId, friend_id)))] : [];
  });
}
