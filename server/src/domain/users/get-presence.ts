import type { Presence } from "@parley/proto/parley/v1/user_pb.js";
import { findListed } from "../../store/conversations.js";
import { findFriendsAmong } from "../../store/friends.js";
import { findUsers, type UserRow } from "../../store/users.js";
import { asMemberOfApp, type Caller, type UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { directConversation } from "../conversation-id.js";
import { DomainError, ErrorReason } from "../errors.js";
import { tellsEveryone } from "../presence-events.js";
import { presenceOf } from "./presence.js";

/** Gets the presence of a user that the caller may ask about; see UserService.GetPresence. */
export async function getPresence(ctx: Ctx, caller: Caller, userId: string): Promise<Presence> {
  const [presence] = await batchGetPresence(ctx, caller, [userId]);
  if (presence === undefined)
    throw new DomainError(ErrorReason.NOT_FRIEND, "presence is between those who know each other", {
      field: "user_id",
    });
  return presence;
}

/** Gets the presence of those of these users that the caller may ask about; see UserService.BatchGetPresence. */
export async function batchGetPresence(ctx: Ctx, caller: Caller, userIds: readonly string[]): Promise<Presence[]> {
  const by = asMemberOfApp(caller);
  const rows = await findUsers(ctx.read, by.appId, [...new Set(userIds)]);
  const known = by.kind === "user" ? await knownTo(ctx, by, rows) : rows;
  return known.map((row) => presenceOf(ctx, row));
}

/** Those of these users that a user may ask about: itself, its friends, whom it has talked with, and who tells everyone. */
async function knownTo(ctx: Ctx, { appId, userId }: UserCaller, rows: readonly UserRow[]): Promise<UserRow[]> {
  const ids = rows.map((row) => row.user_id);
  const friends = new Set(await findFriendsAmong(ctx.read, appId, userId, ids));
  const talks = ids.map((id) => directConversation(userId, id));
  const talked = await findListed(ctx.read, appId, userId, talks);
  const known: UserRow[] = [];
  for (const row of rows) {
    const id = row.user_id;
    const mayAsk = id === userId || friends.has(id) || talked.has(directConversation(userId, id));
    if (mayAsk || (await tellsEveryone(ctx.apps, row))) known.push(row);
  }
  return known;
}
