import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { User } from "@parley/proto/parley/v1/user_pb.js";
import type { UpdateUserRequest } from "@parley/proto/parley/v1/user_service_pb.js";
import { userAudience } from "../../store/audience.js";
import { listFriends } from "../../store/friends.js";
import { findUser, updateUser as storeUser, type UserRow } from "../../store/users.js";
import { asUser, type Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { notFound } from "../errors.js";
import { newEvent } from "../events.js";
import { screenName } from "../filter/screen.js";
import { sameStruct } from "../same-struct.js";
import { packStruct } from "../struct.js";
import { userOf } from "../user.js";

/** Changes the caller's profile and tells its devices and friends; see UserService.UpdateUser. */
export async function updateUser(ctx: Ctx, caller: Caller, request: UpdateUserRequest): Promise<User> {
  const by = asUser(caller);
  const { appId, userId } = by;
  const displayName = await screenName(ctx, by, "display_name", request.displayName);
  const attributes = packStruct(ctx.limits, "attributes", request.attributes);
  return await ctx.committer.run(appId, async (tx) => {
    const old = await findUser(tx.db, appId, userId);
    if (old === undefined) throw notFound("user", "");
    const change = changeOf(old, { ...request, displayName }, attributes);
    if (Object.keys(change).length === 0) return userOf(old);
    await storeUser(tx, userId, change);
    const user = userOf({ ...old, ...change });
    const friends = await listFriends(tx.db, appId, userId);
    const audiences = [userId, ...friends.map((friend) => friend.friend_id)].map(userAudience);
    tx.emit(newEvent(tx.nowMs, audiences, { case: "userChanged", value: { user, change: ChangeKind.UPDATED } }));
    return user;
  });
}

function changeOf(
  old: UserRow,
  request: Omit<UpdateUserRequest, "displayName"> & { displayName: string | undefined },
  attributes: Buffer | null,
) {
  const change: Partial<Pick<UserRow, "display_name" | "avatar_url" | "attributes">> = {};
  const { displayName, avatarUrl } = request;
  if (displayName !== undefined && displayName !== old.display_name) change.display_name = displayName;
  if (avatarUrl !== undefined && avatarUrl !== old.avatar_url) change.avatar_url = avatarUrl;
  if (request.attributes !== undefined && !sameStruct(attributes, old.attributes)) change.attributes = attributes;
  return change;
}
