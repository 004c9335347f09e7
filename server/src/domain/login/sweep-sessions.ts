import { deleteExpiredTokens } from "../../store/credentials.js";
import { listExpiredSessionIds } from "../../store/sessions.js";
import type { Ctx } from "../context.js";
import { endSession, SessionRevokedReason } from "./end-session.js";

const STEP = 100;

/** Ends a few sessions of an app that were not used for 30 days, and forgets used tokens that are too old to be used again. Says whether there may be more. */
export async function sweepSessions(ctx: Ctx, appId: string): Promise<boolean> {
  return await ctx.committer.run(appId, async (tx) => {
    await deleteExpiredTokens(tx);
    const ended = await listExpiredSessionIds(tx, STEP);
    for (const sessionId of ended) await endSession(ctx, tx, sessionId, SessionRevokedReason.EXPIRED);
    return ended.length === STEP;
  });
}
