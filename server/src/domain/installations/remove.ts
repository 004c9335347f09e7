import { deleteInstallation, findInstallation } from "../../store/installations.js";
import { listInstallationSessionIds, moveSession } from "../../store/sessions.js";
import type { UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { notFound } from "../errors.js";
import { takeChange } from "../take-change.js";

/** Unbinds one of the caller's installations; see InstallationService.RemoveInstallation. */
export async function removeInstallation(ctx: Ctx, caller: UserCaller, installationId: string): Promise<void> {
  takeChange(ctx, caller);
  const { appId, userId } = caller;
  await ctx.committer.run(appId, async (tx) => {
    const installation = await findInstallation(tx.db, appId, installationId);
    if (installation?.user_id !== userId) throw notFound("installation", "installation_id");
    await deleteInstallation(tx, installationId);
    for (const sessionId of await listInstallationSessionIds(tx, installationId))
      await moveSession(tx, sessionId, { installation_id: "", platform: installation.platform });
    tx.afterCommit(() => ctx.pushes.withdraw(appId, installationId));
  });
  await ctx.pushes.settled(appId, installationId);
}
