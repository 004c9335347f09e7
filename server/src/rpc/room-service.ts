import type { RoomService } from "@parley/proto/parley/v1/room_service_pb.js";
import type { Ctx } from "../domain/context.js";
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
import { ROOMS } from "../domain/rooms/room.js";
import type { Handlers } from "./funnel.js";

export function roomHandlers(ctx: Ctx): Handlers<typeof RoomService> {
  return {
    createRoom: async ({ caller }, request) => ({ room: await createPlace(ctx, caller, ROOMS, request) }),
    getRoom: async ({ caller }, { roomId }) => ({ room: await getPlace(ctx, caller, ROOMS, roomId) }),
    async listRooms({ caller }, request) {
      const { places, nextPageToken } = await listPlaces(ctx, caller, ROOMS, request);
      return { rooms: places, nextPageToken };
    },
    async searchRooms({ caller }, request) {
      const { things, nextPageToken } = await searchPlaces(ctx, caller, ROOMS, request);
      return { rooms: things, nextPageToken };
    },
    updateRoom: async ({ caller }, request) => ({
      room: await updatePlace(ctx, caller, ROOMS, request.roomId, request),
    }),
    async deleteRoom({ caller }, { roomId }) {
      await deletePlace(ctx, caller, ROOMS, roomId);
      return {};
    },
    addRoomMembers: async ({ caller }, { roomId, userIds }) => ({
      room: await addMembers(ctx, caller, ROOMS, roomId, userIds),
    }),
    removeRoomMembers: async ({ caller }, { roomId, userIds }) => ({
      room: await removeMembers(ctx, caller, ROOMS, roomId, userIds),
    }),
    replaceRoomMembers: async ({ caller }, { roomId, userIds }) => ({
      room: await replaceMembers(ctx, caller, ROOMS, roomId, userIds),
    }),
    listRoomMembers: ({ caller }, request) => listMembers(ctx, caller, ROOMS, request.roomId, request),
    joinRoom: async ({ caller }, { roomId }) => ({ room: await joinPlace(ctx, caller, ROOMS, roomId) }),
    async leaveRoom({ caller }, { roomId }) {
      await leavePlace(ctx, caller, ROOMS, roomId);
      return {};
    },
  };
}
