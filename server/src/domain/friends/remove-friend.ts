import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { areFriends, deleteFriends } from "../../store/friends.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { asOrdinaryUser } from "../ordinary.js";
import { announceFriends } from "./friend-event.js";

/** Ends a friendship if there is one; see FriendService.RemoveFriend. */
export async function removeFriend(ctx: Ctx, caller: Caller, friendId: string): Promise<void> {
  const { appId, userId } = asOrdinaryUser(caller);
  await ctx.committer.run(appId, async (tx) => {
    if (!(await areFriends(tx.db, appId, userId, friendId))) return;
    await deleteFriends(tx, userId, friendId);
    announceFriends(tx, userId, friendId, ChangeKind.REMOVED);
  });
}
