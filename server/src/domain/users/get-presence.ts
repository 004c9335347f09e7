import type { Presence } from "@parley/proto/parley/v1/user_pb.js";
import { findFriendsAmong } from "../../store/friends.js";
import { findUsers } from "../../store/users.js";
import { asMemberOfApp, type Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason } from "../errors.js";
import { presenceOf } from "./presence.js";

/** Gets the presence of oneself or a friend; see UserService.GetPresence. */
export async function getPresence(ctx: Ctx, caller: Caller, userId: string): Promise<Presence> {
  const [presence] = await batchGetPresence(ctx, caller, [userId]);
  if (presence === undefined)
    throw new DomainError(ErrorReason.NOT_FRIEND, "presence is between friends", { field: "user_id" });
  return presence;
}

/** Gets the presence of those of these users that the caller may ask about; see UserService.BatchGetPresence. */
export async function batchGetPresence(ctx: Ctx, caller: Caller, userIds: readonly string[]): Promise<Presence[]> {
  const by = asMemberOfApp(caller);
  const named = [...new Set(userIds)];
  let known = named;
  if (by.kind === "user") {
    known = await findFriendsAmong(ctx.read, by.appId, by.userId, named);
    if (named.includes(by.userId)) known.push(by.userId);
  }
  const rows = await findUsers(ctx.read, by.appId, known);
  return rows.map((row) => presenceOf(ctx, row));
}
