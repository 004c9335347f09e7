import type { Tx } from "../../../store/committer.js";
import { setCredentialSecret } from "../../../store/credentials.js";
import { listSessionIdsBeyond } from "../../../store/sessions.js";
import type { Ctx } from "../../context.js";
import { endSession, SessionRevokedReason } from "../../end-session.js";

/** Replaces a password and ends the sessions of its user, but for one that is spared. Gives those that ended. */
export async function replacePassword(
  ctx: Ctx,
  tx: Tx,
  { userId, username, secret, spare }: { userId: string; username: string; secret: string; spare?: string },
): Promise<string[]> {
  await setCredentialSecret(tx, "password", username, secret);
  const others = (await listSessionIdsBeyond(tx, userId, 0)).filter((sessionId) => sessionId !== spare);
  for (const sessionId of others) await endSession(ctx, tx, sessionId, SessionRevokedReason.PASSWORD_CHANGED);
  return others;
}

/** Takes sessions that ended offline: a stream may have been lost before, and its grace be running. */
export function leaveAll(ctx: Ctx, appId: string, userId: string, sessionIds: readonly string[]): void {
  for (const sessionId of sessionIds) ctx.presence.pause(appId, userId, sessionId);
}
