import { SessionRevokedReason } from "@parley/proto/parley/v1/stream_event_pb.js";
import { sessionAudience } from "../store/audience.js";
import type { Tx } from "../store/committer.js";
import { deleteSession } from "../store/sessions.js";
import type { Ctx } from "./context.js";
import { newEvent } from "./events.js";

export { SessionRevokedReason };

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
