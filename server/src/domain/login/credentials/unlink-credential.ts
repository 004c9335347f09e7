import type { UnlinkCredentialRequest } from "@parley/proto/parley/v1/auth_service_pb.js";
import { deleteCredential, listCredentials } from "../../../store/credentials.js";
import type { UserCaller } from "../../caller.js";
import type { Ctx } from "../../context.js";
import { DomainError, ErrorReason, invalidField, notFound } from "../../errors.js";
import { requireSession, storedKind } from "./credential.js";

/** Takes a credential from the caller, but never the last: a user that had one would be anyone's by a bare id. See AuthService.UnlinkCredential. */
export async function unlinkCredential(
  ctx: Ctx,
  caller: UserCaller & { sessionId: string },
  request: UnlinkCredentialRequest,
): Promise<void> {
  const kind = storedKind(request);
  if (kind === undefined) throw invalidField("provider", "only a third party's credential has a provider");
  await ctx.committer.run(caller.appId, async (tx) => {
    await requireSession(tx, caller);
    const own = await listCredentials(tx.db, tx.appId, caller.userId);
    const credential = own.find((one) => one.kind === kind);
    if (credential === undefined) throw notFound("credential", "kind");
    if (own.length === 1)
      throw new DomainError(ErrorReason.LAST_CREDENTIAL, "this is the user's last credential", { field: "kind" });
    await deleteCredential(tx, kind, credential.name);
  });
}
