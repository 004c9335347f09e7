import { SessionRevokedReason } from "@parley/proto/parley/v1/stream_event_pb.js";
import { sessionAudience } from "../store/audience.js";
import type { Tx } from "../store/committer.js";
import { deleteSession, listSessionIdsBeyond } from "../store/sessions.js";
import type { Ctx } from "./context.js";
import { newEvent } from "./events.js";

export { SessionRevokedReason };

/** Ends all sessions of a user, and gives their ids. */
export async function endSessionsOf(ctx: Pick<Ctx, "sessions">, tx: Tx, userId: string): Promise<string[]> {
  const sessionIds = await listSessionIdsBeyond(tx, userId, 0);
  for (const sessionId of sessionIds) await endSession(ctx, tx, sessionId, SessionRevokedReason.REVOKED);
  return sessionIds;
}

/** Ends a session and tells its stream, which is all that hears of it. Says whether there was one. */
export async function endSession(
  ctx: Pick<Ctx, "sessions">,
  tx: Tx,
  sessionId: string,
  reason: SessionRevokedReason,
): Promise<boolean> {
  if (!(await deleteSession(tx, sessionId))) return false;
  tx.emit(newEvent(tx.nowMs, [sessionAudience(sessionId)], { case: "sessionRevoked", value: { reason, sessionId } }));
  tx.afterCommit(() => ctx.sessions.forget(tx.appId, sessionId));
  return true;
}
