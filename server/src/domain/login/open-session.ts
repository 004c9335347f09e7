import type { Installation } from "@parley/proto/parley/v1/installation_pb.js";
import type { Tx } from "../../store/committer.js";
import { insertSession, listInstallationSessionIds, listSessionIdsBeyond } from "../../store/sessions.js";
import type { Ctx } from "../context.js";
import { endSession, SessionRevokedReason } from "../end-session.js";
import { bindInstallation } from "../installations/bind.js";
import { newSessionToken, tokenHash } from "../tokens.js";

/** A session that was just opened; its token is known only here. */
export interface OpenedSession {
  userId: string;
  sessionId: string;
  sessionToken: string;
  expireMs: number;
  /** The user was made by the same transaction. */
  created: boolean;
}

/** Opens a session of a user. An installation has one session, so an earlier one of it ends, whoever's it is. */
export async function openSession(
  ctx: Ctx,
  tx: Tx,
  user: { userId: string; created: boolean },
  installation?: Installation,
): Promise<OpenedSession> {
  const installationId = installation?.installationId ?? "";
  if (installationId !== "")
    for (const earlier of await listInstallationSessionIds(tx, installationId))
      await endSession(ctx, tx, earlier, SessionRevokedReason.REPLACED);
  for (const oldest of await listSessionIdsBeyond(tx, user.userId, ctx.limits.sessionsPerUser - 1))
    await endSession(ctx, tx, oldest, SessionRevokedReason.REVOKED);
  const sessionId = ctx.newId();
  const sessionToken = newSessionToken();
  const expireMs = tx.nowMs + ctx.times.sessionMs;
  await insertSession(tx, {
    session_id: sessionId,
    user_id: user.userId,
    token_hash: tokenHash(sessionToken),
    installation_id: installationId,
    platform: installation?.platform ?? 0,
    expire_ms: expireMs,
  });
  if (installation !== undefined) await bindInstallation(ctx, tx, user.userId, installation);
  return { ...user, sessionId, sessionToken, expireMs };
}
