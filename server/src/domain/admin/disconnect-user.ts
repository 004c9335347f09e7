import { findUser } from "../../store/users.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { endSessionsOf, leaveAll, SessionRevokedReason } from "../end-session.js";
import { notFound } from "../errors.js";

/** Ends a user's streams, and its sessions when that is asked for; see AdminService.DisconnectUser. */
export async function disconnectUser(
  ctx: Ctx,
  { appId }: ServiceCaller,
  userId: string,
  revokeSessions: boolean,
): Promise<{ streams: number; sessions: number }> {
  if ((await findUser(ctx.read, appId, userId)) === undefined) throw notFound("user", "user_id");
  if (!revokeSessions) return { streams: await ctx.presence.disconnect(appId, userId), sessions: 0 };
  const before = await ctx.presence.streamsOf(appId, userId);
  const ended = await ctx.committer.run(appId, (tx) => endSessionsOf(ctx, tx, userId, SessionRevokedReason.REVOKED));
  await leaveAll(ctx, appId, userId, ended);
  return { streams: before, sessions: ended.length };
}
