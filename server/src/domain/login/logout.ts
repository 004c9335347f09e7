import type { UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { endSession, leave, SessionRevokedReason } from "../end-session.js";

/** Ends the caller's own session; see AuthService.Logout. */
export async function logout(ctx: Ctx, caller: UserCaller & { sessionId: string }): Promise<void> {
  const installationId = await ctx.committer.run(caller.appId, (tx) =>
    endSession(ctx, tx, caller.sessionId, SessionRevokedReason.LOGGED_OUT),
  );
  await leave(ctx, caller.appId, caller.userId, caller.sessionId);
  if (installationId) await ctx.pushes.settled(caller.appId, installationId);
}
