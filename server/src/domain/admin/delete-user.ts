import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { EVERYONE, userAudience } from "../../store/audience.js";
import { beginErasure, findErasure } from "../../store/erasure.js";
import { deleteAllFriends } from "../../store/friends.js";
import { removeUserData } from "../../store/user-data.js";
import { findUser } from "../../store/users.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { endSessionsOf, leaveAll, SessionRevokedReason } from "../end-session.js";
import { notFound } from "../errors.js";
import { newEvent } from "../events.js";
import { withdrawFromPlaces } from "../places/withdraw.js";

/** Deletes a user for good; see AdminService.DeleteUser. The bounds on friends and places keep the transaction short. */
export async function deleteUser(ctx: Ctx, { appId }: ServiceCaller, userId: string): Promise<void> {
  const ended = await ctx.committer.run(appId, async (tx) => {
    if ((await findUser(tx.db, appId, userId)) === undefined) throw notFound("user", "user_id");
    // First of all: its streams hear of their own end and of nothing behind it.
    const sessions = await endSessionsOf(ctx, tx, userId, SessionRevokedReason.REVOKED);
    const change = ChangeKind.REMOVED;
    for (const friendId of await deleteAllFriends(tx, userId))
      tx.emit(newEvent(tx.nowMs, [userAudience(friendId)], { case: "friendChanged", value: { userId, change } }));
    await withdrawFromPlaces(tx, userId);
    await removeUserData(tx, userId);
    const gone = { case: "userChanged" as const, value: { user: { userId }, change } };
    await beginErasure(tx, userAudience(userId), tx.emit(newEvent(tx.nowMs, [EVERYONE], gone)));
    tx.afterCommit(() => ctx.sessions.forgetUser(appId, userId));
    return sessions;
  });
  await leaveAll(ctx, appId, userId, ended);
}

/** How far the words of a deleted user are blanked; see AdminService.GetUserDeletion. */
export async function getUserDeletion(ctx: Ctx, { appId }: ServiceCaller, userId: string) {
  const erasure = await findErasure(ctx.read, appId, userAudience(userId));
  return { pending: erasure !== undefined, events: erasure?.events ?? 0, messages: erasure?.messages ?? 0 };
}
