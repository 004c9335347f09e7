import { create } from "@bufbuild/protobuf";
import { type Friend, FriendSchema } from "@parley/proto/parley/v1/friend_pb.js";
import type { ListFriendsRequest } from "@parley/proto/parley/v1/friend_service_pb.js";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { listFriends as readFriends } from "../../store/friends.js";
import { snapshot } from "../../store/snapshot.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { asOrdinaryUser } from "../ordinary.js";
import { pageLimit, pageToken, readPageToken } from "../page.js";
import { wholeFriends } from "./friend.js";

/** Lists the caller's friends; see FriendService.ListFriends. */
export async function listFriends(
  ctx: Ctx,
  caller: Caller,
  request: ListFriendsRequest,
): Promise<{ friends: Friend[]; nextPageToken: string }> {
  const by = asOrdinaryUser(caller);
  const limit = pageLimit(ctx, request.pageSize);
  const [after = ""] = readPageToken(request.pageToken, ["string"]) ?? [];
  return await snapshot(ctx.read, async (db) => {
    const found = await readFriends(db, by.appId, by.userId, String(after), limit + 1);
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return {
      friends:
        request.view === View.FULL
          ? await wholeFriends(ctx, db, by, page)
          : page.map(({ friend_id }) => create(FriendSchema, { userId: friend_id })),
      nextPageToken: last !== undefined && found.length > limit ? pageToken(last.friend_id) : "",
    };
  });
}
