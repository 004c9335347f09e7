import type { UserUpsert } from "@parley/proto/parley/v1/admin_service_pb.js";
import { type User, UserKind } from "@parley/proto/parley/v1/user_pb.js";
import type { Tx } from "../../store/committer.js";
import { findUser, insertUser, type UserRow, updateUser } from "../../store/users.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { invalidField } from "../errors.js";
import { sameStruct } from "../same-struct.js";
import { packStruct } from "../struct.js";
import { userOf } from "../user.js";
import { emitUserChanged } from "../user-changed.js";

type Profile = Partial<Pick<UserRow, "display_name" | "avatar_url" | "attributes">>;

/** Makes or updates ordinary users, all or none; see AdminService.BatchUpsertUsers. */
export async function batchUpsertUsers(ctx: Ctx, caller: ServiceCaller, users: readonly UserUpsert[]): Promise<User[]> {
  const seen = new Set<string>();
  const plan = users.map((user, at) => {
    if (seen.has(user.userId)) throw invalidField(`users[${at}].user_id`, "this user is named twice");
    seen.add(user.userId);
    return { userId: user.userId, profile: profileOf(ctx, user, `users[${at}]`) };
  });
  return await ctx.committer.run(caller.appId, async (tx) => {
    const rows: UserRow[] = [];
    for (const [at, { userId, profile }] of plan.entries())
      rows.push(await upsertUser(tx, userId, profile, `users[${at}]`));
    return rows.map(userOf);
  });
}

/** What a request says of a profile. */
export function profileOf(
  ctx: Ctx,
  user: Pick<UserUpsert, "displayName" | "avatarUrl" | "attributes">,
  field: string,
): Profile {
  return {
    ...(user.displayName !== undefined && { display_name: user.displayName }),
    ...(user.avatarUrl !== undefined && { avatar_url: user.avatarUrl }),
    ...(user.attributes !== undefined && {
      attributes: packStruct(ctx.limits, `${field}.attributes`, user.attributes),
    }),
  };
}

/** Makes or updates one ordinary user. */
export async function upsertUser(tx: Tx, userId: string, profile: Profile, field: string): Promise<UserRow> {
  const known = await findUser(tx.db, tx.appId, userId);
  if (known === undefined) {
    const blank = { display_name: "", avatar_url: "", attributes: null };
    return await insertUser(tx, { user_id: userId, kind: UserKind.ORDINARY, ...blank, ...profile });
  }
  if (known.kind === UserKind.GUEST) throw invalidField(`${field}.user_id`, "this id is a guest's");
  if (sameProfile(known, { ...known, ...profile })) return known;
  const changed = (await updateUser(tx, userId, profile)) ?? known;
  await emitUserChanged(tx, changed);
  return changed;
}

function sameProfile(a: UserRow, b: UserRow): boolean {
  return a.display_name === b.display_name && a.avatar_url === b.avatar_url && sameStruct(a.attributes, b.attributes);
}
