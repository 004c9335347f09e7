import type { LinkedCredential } from "@parley/proto/parley/v1/linked_credential_pb.js";
import { listCredentials as listRows } from "../../../store/credentials.js";
import type { UserCaller } from "../../caller.js";
import type { Ctx } from "../../context.js";
import { linkedCredential } from "./credential.js";

/** Lists the ways in which the caller can log in; see AuthService.ListCredentials. */
export async function listCredentials(ctx: Ctx, caller: UserCaller): Promise<LinkedCredential[]> {
  const rows = await listRows(ctx.read, caller.appId, caller.userId);
  return rows
    .map(linkedCredential)
    .sort((a, b) => a.kind - b.kind || (a.provider < b.provider ? -1 : Number(a.provider > b.provider)));
}
