import { type PushCredentialKey, removePushCredential as removeRow } from "../../store/push-credentials.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { notFound } from "../errors.js";

/** Removes what the app pushes with; see AdminService.RemovePushCredential. */
export async function removePushCredential(ctx: Ctx, { appId }: ServiceCaller, key: PushCredentialKey): Promise<void> {
  const { provider, environment } = key;
  await ctx.committer.run(appId, async (tx) => {
    if (!(await removeRow(tx, { provider, environment }))) throw notFound("push credential", "provider");
    tx.afterCommit(() => ctx.pushCredentials.remove(appId, { provider, environment }));
  });
}
