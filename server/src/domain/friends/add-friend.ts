import type { Friend } from "@parley/proto/parley/v1/friend_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import type { Tx } from "../../store/committer.js";
import { countFriends, findFriend, insertFriends } from "../../store/friends.js";
import { findUser } from "../../store/users.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { invalidField, notFound } from "../errors.js";
import { memberLimit } from "../member-limit.js";
import { asOrdinaryUser, guestRefused } from "../ordinary.js";
import { introduceFriends } from "../presence-events.js";
import { friendOf } from "./friend.js";
import { announceFriends } from "./friend-event.js";

/** Makes the caller and another user friends; see FriendService.AddFriend. */
export async function addFriend(ctx: Ctx, caller: Caller, friendId: string): Promise<Friend> {
  const { appId, userId } = asOrdinaryUser(caller);
  return await ctx.committer.run(appId, (tx) => befriend(ctx, tx, userId, friendId, "user_id"));
}

/** Makes two users friends in a transaction, or throws before anything is written; the field names the one that was asked for. */
export async function befriend(ctx: Ctx, tx: Tx, userId: string, friendId: string, field: string): Promise<Friend> {
  const { appId } = tx;
  if (friendId === userId) throw invalidField(field, "nobody is a friend of oneself");
  const user = await findUser(tx.db, appId, friendId);
  if (user === undefined) throw notFound("user", field);
  if (user.kind === UserKind.GUEST) throw guestRefused(field);
  // One who was deleted while this call was on its way is nobody's friend.
  const self = await findUser(tx.db, appId, userId);
  if (self === undefined) throw notFound("user", "");
  const known = await findFriend(tx.db, appId, userId, friendId);
  if (known !== undefined) return friendOf(ctx, user, known.create_ms);
  await checkRoom(tx, userId, ctx.limits.friendsPerUser, "");
  await checkRoom(tx, friendId, ctx.limits.friendsPerUser, field);
  await insertFriends(tx, userId, friendId);
  announceFriends(tx, userId, friendId, ChangeKind.ADDED);
  // Not at once: the friendship itself must be heard first.
  tx.afterCommit(() => queueMicrotask(() => introduceFriends(ctx, self, user)));
  return friendOf(ctx, user, tx.nowMs);
}

/** Refuses one more friend to a user who has as many as allowed. */
export async function checkRoom(tx: Tx, userId: string, most: number, field: string): Promise<void> {
  if ((await countFriends(tx.db, tx.appId, userId)) < most) return;
  throw memberLimit(`${field === "" ? "you have" : "this user has"} as many friends as allowed`, field, most);
}
