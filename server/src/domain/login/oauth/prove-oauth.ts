import type { OauthCredential } from "@parley/proto/parley/v1/auth_service_pb.js";
import { useToken } from "../../../store/credentials.js";
import type { AppRecord } from "../../apps.js";
import type { Ctx } from "../../context.js";
import { DomainError, ErrorReason } from "../../errors.js";
import { checkStruct } from "../../struct.js";
import { tokenHash } from "../../tokens.js";
import type { Proof } from "../admit-user.js";
import { limitAsking, limitTries } from "../limits.js";
import { wrongProof } from "./identity.js";
import { askerOf } from "./providers.js";

/** Asks the third party who somebody is; see OauthCredential. Its word counts, never the client's. */
export async function proveOauth(
  ctx: Ctx,
  app: AppRecord,
  credential: OauthCredential,
  address: string,
): Promise<Proof> {
  const { provider } = credential;
  checkStruct(ctx.limits, "oauth.extra", credential.extra);
  const ask = askerOf(app, provider);
  if (ask === undefined)
    throw new DomainError(ErrorReason.LOGIN_DISABLED, "this app has no such third party", { field: "oauth.provider" });
  limitAsking(ctx, app, address);
  const { fetch, clock, outward } = ctx;
  const { externalId, once } = await ask({ fetch, clock, outward, app }, credential);
  const kind = `oauth:${provider}`;
  await limitTries(ctx, app, `${kind}|${externalId}`, address);
  return {
    kind,
    name: externalId,
    async take(tx) {
      if (once === undefined) return undefined;
      const fresh = await useToken(tx, tokenHash(`${kind}|${once.value}`), once.expireMs);
      return fresh ? undefined : wrongProof();
    },
  };
}
