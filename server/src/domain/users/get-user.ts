import type { User } from "@parley/proto/parley/v1/user_pb.js";
import { findUser, findUsers } from "../../store/users.js";
import { asMemberOfApp, type Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { notFound } from "../errors.js";
import { userOf } from "../user.js";

/** Gets one user of the caller's app; see UserService.GetUser. */
export async function getUser(ctx: Ctx, caller: Caller, userId: string): Promise<User> {
  const row = await findUser(ctx.read, asMemberOfApp(caller).appId, userId);
  if (row === undefined) throw notFound("user", "user_id");
  return userOf(row);
}

/** Gets those of these users that exist; see UserService.BatchGetUsers. */
export async function batchGetUsers(ctx: Ctx, caller: Caller, userIds: readonly string[]): Promise<User[]> {
  const rows = await findUsers(ctx.read, asMemberOfApp(caller).appId, [...new Set(userIds)]);
  return rows.map(userOf);
}
