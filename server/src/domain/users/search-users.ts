import type { User } from "@parley/proto/parley/v1/user_pb.js";
import { idOf } from "../../store/audience.js";
import { findUsers } from "../../store/users.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason } from "../errors.js";
import { asOrdinaryCaller } from "../ordinary.js";
import { findThings, type SearchRequest } from "../search/find-things.js";
import { userOf } from "../user.js";

/** Finds users; see UserService.SearchUsers. */
export async function searchUsers(
  ctx: Ctx,
  caller: Caller,
  request: SearchRequest,
): Promise<{ users: User[]; nextPageToken: string }> {
  const by = asOrdinaryCaller(caller);
  const app = await ctx.apps.find(by.appId);
  if (by.kind === "user" && app?.rules.allowUserSearch !== true)
    throw new DomainError(ErrorReason.ROLE_TOO_LOW, "in this app only its backend searches users");
  const { things, nextPageToken } = await findThings(ctx, by, "u", request, async (db, owners) => {
    const rows = await findUsers(db, by.appId, owners.map(idOf));
    const users = new Map(rows.map((row) => [row.user_id, userOf(row)]));
    return owners.flatMap((owner) => users.get(idOf(owner)) ?? []);
  });
  return { users: things, nextPageToken };
}
