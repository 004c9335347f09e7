import type { Tx } from "../../../store/committer.js";
import { setCredentialSecret } from "../../../store/credentials.js";
import type { Ctx } from "../../context.js";
import { type EndedSession, endSessionsOf, SessionRevokedReason } from "../../end-session.js";

/** Replaces a password and ends the sessions of its user, but for one that is spared. Gives those that ended. */
export async function replacePassword(
  ctx: Ctx,
  tx: Tx,
  { userId, username, secret, spare }: { userId: string; username: string; secret: string; spare?: string },
): Promise<EndedSession[]> {
  await setCredentialSecret(tx, "password", username, secret);
  return await endSessionsOf(ctx, tx, userId, SessionRevokedReason.PASSWORD_CHANGED, spare);
}
