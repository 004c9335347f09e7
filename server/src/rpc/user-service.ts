import type { UserService } from "@parley/proto/parley/v1/user_service_pb.js";
import type { Ctx } from "../domain/context.js";
import { batchGetPresence, getPresence } from "../domain/users/get-presence.js";
import { batchGetUsers, getUser } from "../domain/users/get-user.js";
import { updateUser } from "../domain/users/update-user.js";
import type { Handlers } from "./funnel.js";

export function userHandlers(ctx: Ctx): Handlers<typeof UserService> {
  return {
    getUser: async ({ caller }, { userId }) => ({ user: await getUser(ctx, caller, userId) }),
    batchGetUsers: async ({ caller }, { userIds }) => ({ users: await batchGetUsers(ctx, caller, userIds) }),
    updateUser: async ({ caller }, request) => ({ user: await updateUser(ctx, caller, request) }),
    getPresence: async ({ caller }, { userId }) => ({ presence: await getPresence(ctx, caller, userId) }),
    batchGetPresence: async ({ caller }, { userIds }) => ({
      presences: await batchGetPresence(ctx, caller, userIds),
    }),
  };
}
