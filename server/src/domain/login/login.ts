import type { LoginRequest } from "@parley/proto/parley/v1/auth_service_pb.js";
import { isLoopback } from "../../ops/address.js";
import type { AppRecord } from "../apps.js";
import type { Ctx } from "../context.js";
import { DomainError, invalidField } from "../errors.js";
import { checkInstallation } from "../installations/check.js";
import { type Admission, admitProof } from "./admit-user.js";
import { checkBareId } from "./bare-id.js";
import { checkGuest } from "./guest.js";
import { appForLogin, limitAddress, limitNewcomers, limitTries } from "./limits.js";
import { proveOauth } from "./oauth/prove-oauth.js";
import { type OpenedSession, openSession } from "./open-session.js";
import { checkPassword } from "./password.js";
import { checkSignedToken } from "./signed-token.js";
import { proveSms } from "./sms/prove-sms.js";

/** Opens a session for whoever proves to be a user; see AuthService.Login. */
export async function login(ctx: Ctx, request: LoginRequest, address: string): Promise<OpenedSession> {
  limitAddress(ctx, address);
  const app = await appForLogin(ctx, request.appId, request.clientKey);
  const { installation } = request;
  checkInstallation(ctx, installation);
  const admission = await checkCredential(ctx, app, request.credential, address);
  const opened = await ctx.committer.run(app.appId, async (tx) => {
    const admitted = await admission(tx);
    return admitted instanceof DomainError ? admitted : await openSession(ctx, tx, admitted, installation);
  });
  if (opened instanceof DomainError) throw opened;
  // Whoever was logged in on the device before gets nothing there any more.
  if (installation !== undefined) await ctx.pushes.settled(app.appId, installation.installationId);
  return opened;
}

async function checkCredential(
  ctx: Ctx,
  app: AppRecord,
  credential: LoginRequest["credential"],
  address: string,
): Promise<Admission> {
  switch (credential.case) {
    case "bareId":
      // There is nothing to guess; it is for trying things out, again and again, on one's own machine.
      if (!isLoopback(address)) await limitTries(ctx, app, `id|${credential.value.userId}`, address);
      return checkBareId(app, credential.value);
    case "password":
      await limitTries(ctx, app, `password|${credential.value.username}`, address);
      return await checkPassword(ctx, app, credential.value);
    case "guest":
      if (credential.value.userId === "") limitNewcomers(ctx, app, address);
      else await limitTries(ctx, app, `id|${credential.value.userId}`, address);
      return checkGuest(ctx, app, credential.value);
    case "signedToken": {
      const { userId, admission } = await checkSignedToken(ctx, app, credential.value);
      await limitTries(ctx, app, `token|${userId}`, address);
      return admission;
    }
    case "sms": {
      await limitTries(ctx, app, `sms|${credential.value.phoneNumber}`, address);
      const proof = proveSms(ctx, app, credential.value);
      return (tx) => admitProof(ctx, tx, proof);
    }
    case "oauth": {
      const proof = await proveOauth(ctx, app, credential.value, address);
      return (tx) => admitProof(ctx, tx, proof);
    }
    default:
      throw invalidField("credential", "a credential is required");
  }
}
