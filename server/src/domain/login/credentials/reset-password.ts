import type { ResetPasswordRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { ServiceCaller } from "../../caller.js";
import type { Ctx } from "../../context.js";
import { leaveAll } from "../../end-session.js";
import { findPassword } from "./change-password.js";
import { replacePassword } from "./replace-password.js";

/** Replaces a user's password and ends all its sessions; see AdminService.ResetPassword. */
export async function resetPassword(
  ctx: Ctx,
  { appId }: ServiceCaller,
  { userId, newPassword }: ResetPasswordRequest,
): Promise<void> {
  // Asked before the costly hash, and again where nobody can come between.
  await findPassword(ctx.read, appId, userId, "user_id");
  const secret = await ctx.passwords.hash(newPassword);
  const ended = await ctx.committer.run(appId, async (tx) => {
    const { name: username } = await findPassword(tx.db, appId, userId, "user_id");
    return await replacePassword(ctx, tx, { userId, username, secret });
  });
  await leaveAll(ctx, appId, userId, ended);
}
