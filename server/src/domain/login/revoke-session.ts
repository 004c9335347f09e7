import { findSession } from "../../store/sessions.js";
import type { UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { endSession, leave, SessionRevokedReason } from "../end-session.js";
import { notFound } from "../errors.js";

/** Ends one of the caller's sessions; see AuthService.RevokeSession. */
export async function revokeSession(ctx: Ctx, caller: UserCaller, sessionId: string): Promise<void> {
  const installationId = await ctx.committer.run(caller.appId, async (tx) => {
    const session = await findSession(tx.db, caller.appId, sessionId);
    if (session?.user_id !== caller.userId) throw notFound("session", "session_id");
    return await endSession(ctx, tx, sessionId, SessionRevokedReason.REVOKED);
  });
  await leave(ctx, caller.appId, caller.userId, sessionId);
  if (installationId) await ctx.pushes.settled(caller.appId, installationId);
}
