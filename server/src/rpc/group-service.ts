import type { GroupService } from "@parley/proto/parley/v1/group_service_pb.js";
import type { Ctx } from "../domain/context.js";
import { GROUPS } from "../domain/groups/group.js";
import { transferGroup } from "../domain/groups/transfer-group.js";
import { updateGroupMember } from "../domain/groups/update-group-member.js";
import { addMembers, joinPlace } from "../domain/places/add-members.js";
import { createPlace } from "../domain/places/create-place.js";
import { deletePlace } from "../domain/places/delete-place.js";
import { getPlace } from "../domain/places/get-place.js";
import { listMembers } from "../domain/places/list-members.js";
import { listPlaces } from "../domain/places/list-places.js";
import { leavePlace, removeMembers } from "../domain/places/remove-members.js";
import { replaceMembers } from "../domain/places/replace-members.js";
import { searchPlaces } from "../domain/places/search-places.js";
import { updatePlace } from "../domain/places/update-place.js";
import type { Handlers } from "./funnel.js";

export function groupHandlers(ctx: Ctx): Handlers<typeof GroupService> {
  return {
    createGroup: async ({ caller }, request) => ({ group: await createPlace(ctx, caller, GROUPS, request) }),
    getGroup: async ({ caller }, { groupId }) => ({ group: await getPlace(ctx, caller, GROUPS, groupId) }),
    async listGroups({ caller }, request) {
      const { places, nextPageToken } = await listPlaces(ctx, caller, GROUPS, request);
      return { groups: places, nextPageToken };
    },
    async searchGroups({ caller }, request) {
      const { things, nextPageToken } = await searchPlaces(ctx, caller, GROUPS, request);
      return { groups: things, nextPageToken };
    },
    updateGroup: async ({ caller }, request) => ({
      group: await updatePlace(ctx, caller, GROUPS, request.groupId, request),
    }),
    async deleteGroup({ caller }, { groupId }) {
      await deletePlace(ctx, caller, GROUPS, groupId);
      return {};
    },
    addGroupMembers: async ({ caller }, { groupId, userIds }) => ({
      group: await addMembers(ctx, caller, GROUPS, groupId, userIds),
    }),
    removeGroupMembers: async ({ caller }, { groupId, userIds }) => ({
      group: await removeMembers(ctx, caller, GROUPS, groupId, userIds),
    }),
    replaceGroupMembers: async ({ caller }, { groupId, userIds }) => ({
      group: await replaceMembers(ctx, caller, GROUPS, groupId, userIds),
    }),
    listGroupMembers: ({ caller }, request) => listMembers(ctx, caller, GROUPS, request.groupId, request),
    updateGroupMember: async ({ caller }, request) => ({ member: await updateGroupMember(ctx, caller, request) }),
    transferGroup: async ({ caller }, { groupId, userId }) => ({
      group: await transferGroup(ctx, caller, groupId, userId),
    }),
    joinGroup: async ({ caller }, { groupId }) => ({ group: await joinPlace(ctx, caller, GROUPS, groupId) }),
    async leaveGroup({ caller }, { groupId }) {
      await leavePlace(ctx, caller, GROUPS, groupId);
      return {};
    },
  };
}
