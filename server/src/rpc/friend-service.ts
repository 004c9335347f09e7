import type { FriendService } from "@parley/proto/parley/v1/friend_service_pb.js";
import type { Ctx } from "../domain/context.js";
import { addFriend } from "../domain/friends/add-friend.js";
import { getFriend } from "../domain/friends/get-friend.js";
import { listFriends } from "../domain/friends/list-friends.js";
import { removeFriend } from "../domain/friends/remove-friend.js";
import type { Handlers } from "./funnel.js";

export function friendHandlers(ctx: Ctx): Handlers<typeof FriendService> {
  return {
    addFriend: async ({ caller }, { userId }) => ({ friend: await addFriend(ctx, caller, userId) }),
    async removeFriend({ caller }, { userId }) {
      await removeFriend(ctx, caller, userId);
      return {};
    },
    getFriend: async ({ caller }, { userId }) => ({ friend: await getFriend(ctx, caller, userId) }),
    listFriends: ({ caller }, request) => listFriends(ctx, caller, request),
  };
}
