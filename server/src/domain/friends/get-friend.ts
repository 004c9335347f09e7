import type { Friend } from "@parley/proto/parley/v1/friend_pb.js";
import { findFriend } from "../../store/friends.js";
import { snapshot } from "../../store/snapshot.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason } from "../errors.js";
import { asOrdinaryUser } from "../ordinary.js";
import { wholeFriends } from "./friend.js";

/** Gets one friend; see FriendService.GetFriend. */
export async function getFriend(ctx: Ctx, caller: Caller, friendId: string): Promise<Friend> {
  const by = asOrdinaryUser(caller);
  return await snapshot(ctx.read, async (db) => {
    const row = await findFriend(db, by.appId, by.userId, friendId);
    const [friend] = row === undefined ? [] : await wholeFriends(ctx, db, by, [row]);
    if (friend === undefined)
      throw new DomainError(ErrorReason.NOT_FRIEND, "this user is not a friend of yours", { field: "user_id" });
    return friend;
  });
}
