import type { SignedTokenCredential } from "@parley/proto/parley/v1/auth_service_pb.js";
import { useToken } from "../../store/credentials.js";
import type { AppRecord } from "../apps.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason } from "../errors.js";
import { tokenHash } from "../tokens.js";
import { type Admission, admitVouched } from "./admit-user.js";
import { readSignedToken, wrongToken } from "./signed-claims.js";
import { tokenKeysOf } from "./token-keys.js";

/** Checks a token signed by the app's backend; see SignedTokenCredential. Gives the user id too, since only the token tells it. */
export async function checkSignedToken(
  ctx: Ctx,
  app: AppRecord,
  { token }: SignedTokenCredential,
): Promise<{ userId: string; admission: Admission }> {
  const keys = tokenKeysOf(ctx, app);
  if (keys.length === 0)
    throw new DomainError(ErrorReason.LOGIN_DISABLED, "this app has set no keys for signed tokens", {
      field: "signed_token",
    });
  const { userId, tokenId, expireMs } = await readSignedToken(token, keys, app.appId, ctx.clock.now());
  return {
    userId,
    async admission(tx) {
      if (tokenId !== undefined && !(await useToken(tx, tokenHash(tokenId), expireMs))) throw wrongToken();
      return await admitVouched(ctx, tx, userId);
    },
  };
}
