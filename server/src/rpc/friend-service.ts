import type { FriendService } from "@parley/proto/parley/v1/friend_service_pb.js";
import type { Ctx } from "../domain/context.js";
import { addFriend } from "../domain/friends/add-friend.js";
import { batchAddFriends, type FriendOutcome } from "../domain/friends/batch-add-friends.js";
import { getFriend } from "../domain/friends/get-friend.js";
import { listFriends } from "../domain/friends/list-friends.js";
import { listStrangers } from "../domain/friends/list-strangers.js";
import { removeFriend } from "../domain/friends/remove-friend.js";
import { codeName, wireError } from "./errors.js";
import type { Handlers } from "./funnel.js";

export function friendHandlers(ctx: Ctx): Handlers<typeof FriendService> {
  return {
    addFriend: async ({ caller }, { userId }) => ({ friend: await addFriend(ctx, caller, userId) }),
    async batchAddFriends({ caller, requestId }, { userIds }) {
      const outcomes = await batchAddFriends(ctx, caller, userIds);
      return { results: outcomes.map((outcome) => resultOf(outcome, requestId)) };
    },
    async removeFriend({ caller }, { userId }) {
      await removeFriend(ctx, caller, userId);
      return {};
    },
    getFriend: async ({ caller }, { userId }) => ({ friend: await getFriend(ctx, caller, userId) }),
    listFriends: ({ caller }, request) => listFriends(ctx, caller, request),
    listStrangers: ({ caller }, request) => listStrangers(ctx, caller, request),
  };
}

function resultOf(outcome: FriendOutcome, requestId: string) {
  if ("friend" in outcome) return outcome;
  const { code, message, detail } = wireError(outcome.refusal, requestId);
  return { userId: outcome.userId, error: { code: codeName(code), message, detail } };
}
