import type { Installation } from "@parley/proto/parley/v1/installation_pb.js";
import { deleteInstallation } from "../../store/installations.js";
import { findSession, listInstallationSessionIds, moveSession } from "../../store/sessions.js";
import type { UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { endSession, SessionRevokedReason } from "../end-session.js";
import { DomainError, ErrorReason, invalidField } from "../errors.js";
import { takeChange } from "../take-change.js";
import { bindInstallation } from "./bind.js";
import { checkInstallation } from "./check.js";
import { installationOf } from "./installation.js";

/** Binds an installation to the caller's session; see InstallationService.RegisterInstallation. */
export async function registerInstallation(
  ctx: Ctx,
  caller: UserCaller & { sessionId: string },
  installation: Installation | undefined,
): Promise<Installation> {
  if (installation === undefined) throw invalidField("installation", "an installation is required");
  checkInstallation(ctx, installation);
  takeChange(ctx, caller);
  const { appId, userId, sessionId } = caller;
  const { installationId, platform } = installation;
  const row = await ctx.committer.run(appId, async (tx) => {
    const session = await findSession(tx.db, appId, sessionId);
    // It may have ended after the call was let in; what it leaves must not be bound again.
    if (session === undefined) throw new DomainError(ErrorReason.SESSION_REVOKED, "the session has ended");
    for (const other of await listInstallationSessionIds(tx, installationId))
      if (other !== sessionId) await endSession(ctx, tx, other, SessionRevokedReason.REPLACED);
    const left = session.installation_id;
    if (left !== "" && left !== installationId) {
      await deleteInstallation(tx, left);
      tx.afterCommit(() => ctx.pushes.withdraw(appId, left));
    }
    await moveSession(tx, sessionId, { installation_id: installationId, platform });
    return await bindInstallation(ctx, tx, userId, installation);
  });
  await ctx.pushes.settled(appId, installationId);
  return installationOf(row);
}
