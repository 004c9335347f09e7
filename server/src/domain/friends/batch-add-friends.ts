import type { Friend } from "@parley/proto/parley/v1/friend_pb.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { DomainError } from "../errors.js";
import { asOrdinaryUser } from "../ordinary.js";
import { befriend } from "./add-friend.js";

/** What became of one of several. */
export type FriendOutcome = { userId: string } & ({ friend: Friend } | { refusal: DomainError });

/** Befriends several users, each with its own outcome, in one transaction; see FriendService.BatchAddFriends. */
export async function batchAddFriends(
  ctx: Ctx,
  caller: Caller,
  friendIds: readonly string[],
): Promise<FriendOutcome[]> {
  const { appId, userId } = asOrdinaryUser(caller);
  return await ctx.committer.run(appId, async (tx) => {
    const outcomes: FriendOutcome[] = [];
    for (const [at, friendId] of friendIds.entries()) {
      const outcome = await befriend(ctx, tx, userId, friendId, `user_ids[${at}]`).then(
        (friend) => ({ friend }),
        (error: unknown) => {
          // A rule's refusal comes before it writes; whatever else fails takes all back.
          if (error instanceof DomainError) return { refusal: error };
          throw error;
        },
      );
      outcomes.push({ userId: friendId, ...outcome });
    }
    return outcomes;
  });
}
