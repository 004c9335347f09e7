import type { PushCredential } from "@parley/proto/parley/v1/push_credential_pb.js";
import { listPushCredentials as listRows } from "../../store/push-credentials.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { pushCredentialOf } from "./push-credential.js";

/** Lists what the app pushes with; see AdminService.ListPushCredentials. */
export async function listPushCredentials(ctx: Ctx, { appId }: ServiceCaller): Promise<PushCredential[]> {
  return (await listRows(ctx.read, appId)).map(pushCredentialOf);
}
