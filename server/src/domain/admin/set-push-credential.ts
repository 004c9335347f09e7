import type { SetPushCredentialRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { PushCredential } from "@parley/proto/parley/v1/push_credential_pb.js";
import { putPushCredential } from "../../store/push-credentials.js";
import { beginPushCursor } from "../../store/push-log.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { pushCredentialOf } from "./push-credential.js";
import { readPushCredential } from "./read-push-credential.js";

/** Sets what the app pushes with; see AdminService.SetPushCredential. */
export async function setPushCredential(
  ctx: Ctx,
  caller: ServiceCaller,
  request: SetPushCredentialRequest,
): Promise<PushCredential> {
  const { facts, secret } = await readPushCredential(ctx, request);
  const sealed = ctx.secrets.seal(Buffer.from(JSON.stringify(secret)));
  return await ctx.committer.run(caller.appId, async (tx) => {
    const row = { ...facts, create_ms: tx.nowMs };
    await putPushCredential(tx, { ...row, sealed });
    await beginPushCursor(tx);
    tx.afterCommit(() => {
      ctx.pushCredentials.set(caller.appId, facts);
      ctx.pushes.credentialChanged(caller.appId);
    });
    return pushCredentialOf(row);
  });
}
