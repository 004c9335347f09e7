import type { UserService } from "@parley/proto/parley/v1/user_service_pb.js";
import { clearAttributes, replaceAttributes, updateAttributes } from "../domain/attributes/change-attributes.js";
import { getAttribute, getAttributes } from "../domain/attributes/get-attributes.js";
import type { Ctx } from "../domain/context.js";
import { batchGetPresence, getPresence } from "../domain/users/get-presence.js";
import { batchGetUsers, getUser } from "../domain/users/get-user.js";
import { getPresenceSettings, updatePresenceSettings } from "../domain/users/presence-settings.js";
import { searchUsers } from "../domain/users/search-users.js";
import { updateUser } from "../domain/users/update-user.js";
import type { Handlers } from "./funnel.js";

export function userHandlers(ctx: Ctx): Handlers<typeof UserService> {
  return {
    getUser: async ({ caller }, { userId }) => ({ user: await getUser(ctx, caller, userId) }),
    batchGetUsers: async ({ caller }, { userIds }) => ({ users: await batchGetUsers(ctx, caller, userIds) }),
    updateUser: async ({ caller }, request) => ({ user: await updateUser(ctx, caller, request) }),
    searchUsers: ({ caller }, request) => searchUsers(ctx, caller, request),
    updateAttributes: async ({ caller }, { target, attributes = {} }) => ({
      attributes: await updateAttributes(ctx, caller, target, attributes),
    }),
    replaceAttributes: async ({ caller }, { target, attributes = {} }) => ({
      attributes: await replaceAttributes(ctx, caller, target, attributes),
    }),
    getAttributes: async ({ caller }, { target }) => ({ attributes: await getAttributes(ctx, caller, target) }),
    getAttribute: async ({ caller }, { target, path }) => ({ value: await getAttribute(ctx, caller, target, path) }),
    async clearAttributes({ caller }, { target }) {
      await clearAttributes(ctx, caller, target);
      return {};
    },
    getPresenceSettings: async ({ caller }) => ({ settings: await getPresenceSettings(ctx, caller) }),
    updatePresenceSettings: async ({ caller }, request) => ({
      settings: await updatePresenceSettings(ctx, caller, request),
    }),
    getPresence: async ({ caller }, { userId }) => ({ presence: await getPresence(ctx, caller, userId) }),
    batchGetPresence: async ({ caller }, { userIds }) => ({
      presences: await batchGetPresence(ctx, caller, userIds),
    }),
  };
}
