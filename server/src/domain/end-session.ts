import { SessionRevokedReason } from "@parley/proto/parley/v1/stream_event_pb.js";
import { sessionAudience } from "../store/audience.js";
import type { Tx } from "../store/committer.js";
import { deleteInstallation } from "../store/installations.js";
import { deleteSession } from "../store/sessions.js";
import type { Ctx } from "./context.js";
import { newEvent } from "./events.js";

export { SessionRevokedReason };

/**
 * Ends a session, unbinds its installation, and tells its stream, which is all that hears of it. Gives the id of the installation, empty when it
 * was on none, for `ctx.pushes.settled`; undefined when there was no such session.
 */
export async function endSession(
  ctx: Pick<Ctx, "sessions" | "pushes">,
  tx: Tx,
  sessionId: string,
  reason: SessionRevokedReason,
): Promise<string | undefined> {
  const ended = await deleteSession(tx, sessionId);
  if (ended === undefined) return undefined;
  const installationId = ended.installation_id;
  if (installationId !== "") {
    await deleteInstallation(tx, installationId);
    tx.afterCommit(() => ctx.pushes.withdraw(tx.appId, installationId));
  }
  tx.emit(newEvent(tx.nowMs, [sessionAudience(sessionId)], { case: "sessionRevoked", value: { reason, sessionId } }));
  tx.afterCommit(() => ctx.sessions.forget(tx.appId, sessionId));
  return installationId;
}
