import { SessionRevokedReason } from "@parley/proto/parley/v1/stream_event_pb.js";
import { sessionAudience } from "../store/audience.js";
import type { Tx } from "../store/committer.js";
import { deleteInstallation } from "../store/installations.js";
import { deleteSession, listSessionIdsBeyond } from "../store/sessions.js";
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

/** A session that has ended, and the installation that it was on: empty when it was on none. */
export interface EndedSession {
  sessionId: string;
  installationId: string;
}

/** Ends all sessions of a user, but for one that is spared. `leaveAll` follows the commit. */
export async function endSessionsOf(
  ctx: Pick<Ctx, "sessions" | "pushes">,
  tx: Tx,
  userId: string,
  reason: SessionRevokedReason,
  spare?: string,
): Promise<EndedSession[]> {
  const ended: EndedSession[] = [];
  for (const sessionId of await listSessionIdsBeyond(tx, userId, 0)) {
    if (sessionId === spare) continue;
    const installationId = await endSession(ctx, tx, sessionId, reason);
    if (installationId !== undefined) ended.push({ sessionId, installationId });
  }
  return ended;
}

/** Takes a session that has ended offline: its stream may have been lost before, and its grace be running. */
export async function leave(
  ctx: Pick<Ctx, "presence">,
  appId: string,
  userId: string,
  sessionId: string,
): Promise<void> {
  // The session has ended, so that must not be told as a failure: its node hears of it by the log too.
  await ctx.presence.pause(appId, userId, sessionId).catch(() => undefined);
}

/** Takes sessions that have ended offline, and waits until no push is on its way to their phones. */
export async function leaveAll(
  ctx: Pick<Ctx, "presence" | "pushes">,
  appId: string,
  userId: string,
  ended: readonly EndedSession[],
): Promise<void> {
  await Promise.all(ended.map(({ sessionId }) => leave(ctx, appId, userId, sessionId)));
  const phones = ended.filter(({ installationId }) => installationId !== "");
  await Promise.all(phones.map(({ installationId }) => ctx.pushes.settled(appId, installationId)));
}
