import type { ChangePasswordRequest } from "@parley/proto/parley/v1/auth_service_pb.js";
import { listCredentials } from "../../../store/credentials.js";
import type { Db } from "../../../store/schema.js";
import { findAppRecord } from "../../admin/app.js";
import type { UserCaller } from "../../caller.js";
import type { Ctx } from "../../context.js";
import { leaveAll } from "../../end-session.js";
import { DomainError, ErrorReason, notFound } from "../../errors.js";
import { limitTries } from "../limits.js";
import { requireSession } from "./credential.js";
import { replacePassword } from "./replace-password.js";

/** Replaces the caller's password and ends its other sessions; see AuthService.ChangePassword. */
export async function changePassword(
  ctx: Ctx,
  caller: UserCaller & { sessionId: string },
  { oldPassword, newPassword }: ChangePasswordRequest,
  address: string,
): Promise<void> {
  const { appId, userId, sessionId } = caller;
  const app = await findAppRecord(ctx, appId);
  // Counted apart from the logins, so that nobody who has no session can use it up.
  await limitTries(ctx, app, `change|${userId}`, address);
  const known = await findPassword(ctx.read, appId, userId, "old_password");
  if (!(await ctx.passwords.matches(oldPassword, known.secret))) throw wrongPassword();
  const secret = await ctx.passwords.hash(newPassword);
  const ended = await ctx.committer.run(appId, async (tx) => {
    await requireSession(tx, caller);
    const { name: username, secret: current } = await findPassword(tx.db, appId, userId, "old_password");
    if (current !== known.secret) throw wrongPassword();
    return await replacePassword(ctx, tx, { userId, username, secret, spare: sessionId });
  });
  await leaveAll(ctx, appId, userId, ended);
}

/** The username and the hash of a user's password. Throws NOT_FOUND. */
export async function findPassword(db: Db, appId: string, userId: string, field: string) {
  const password = (await listCredentials(db, appId, userId)).find(({ kind }) => kind === "password");
  if (password === undefined) throw notFound("password", field);
  return password;
}

function wrongPassword(): DomainError {
  return new DomainError(ErrorReason.WRONG_CREDENTIAL, "the old password is wrong", { field: "old_password" });
}
