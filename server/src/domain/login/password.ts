import type { PasswordCredential } from "@parley/proto/parley/v1/auth_service_pb.js";
import { findCredential } from "../../store/credentials.js";
import type { AppRecord } from "../apps.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason } from "../errors.js";
import type { Admission } from "./admit-user.js";

/** Checks the name and password of an account. Unknown names cost the same work and get the same answer. */
export async function checkPassword(
  ctx: Pick<Ctx, "read" | "passwords">,
  app: Pick<AppRecord, "appId">,
  { username, password }: PasswordCredential,
): Promise<Admission> {
  const credential = await findCredential(ctx.read, app.appId, "password", username);
  const matches = await ctx.passwords.matches(password, credential?.secret);
  if (!matches || credential === undefined) throw wrongPassword();
  return async (tx) => {
    // It may have been changed or taken away while the hash was made, and its sessions ended: none may be opened by it after that.
    const now = await findCredential(tx.db, app.appId, "password", username);
    if (now?.secret !== credential.secret) return wrongPassword();
    return { userId: credential.user_id, created: false };
  };
}

function wrongPassword(): DomainError {
  return new DomainError(ErrorReason.WRONG_CREDENTIAL, "the username or the password is wrong");
}
