import { findUser, type UserRow } from "../store/users.js";
import type { UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { notFound } from "./errors.js";

/** The caller's own record. */
export async function findSelf(ctx: Ctx, caller: UserCaller): Promise<UserRow> {
  const self = await findUser(ctx.read, caller.appId, caller.userId);
  if (self === undefined) throw notFound("user", "");
  return self;
}
