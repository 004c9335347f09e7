import type { JsonObject } from "@bufbuild/protobuf";
import type { Room, RoomMember } from "@parley/proto/parley/v1/room_pb.js";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { type Attributes, createAttributes } from "./attributes.js";
import { allPages, type DetailOptions, type PageOptions, present } from "./page.js";
import type { Rpc } from "./rpc.js";
import { type SearchOptions, searchRequest } from "./search.js";

/** What a new room is like. */
export interface NewRoom {
  /** The name to show, at most 256 bytes. */
  readonly name?: string;
  /** The first members; the caller is one in any case. */
  readonly memberUserIds?: readonly string[];
  readonly attributes?: JsonObject;
  /** The idempotency key: a repeat within 24 h returns the first answer. */
  readonly requestId?: string;
}

/** What changes in a room; what is absent stays. */
export type RoomChange = Pick<NewRoom, "name" | "attributes">;

/** Rooms: membership is stored, talk never. At most 1,000 members. Errors of all: NOT_FOUND, NOT_MEMBER, ROLE_TOO_LOW. */
export interface Rooms {
  /** Makes a room with the caller as its creator. Errors: MEMBER_LIMIT, IDEMPOTENCY_CONFLICT. */
  create(room: NewRoom): Promise<Room>;
  /** Gets a room with its members; open to every ordinary user. */
  get(roomId: string): Promise<Room>;
  /** Lists one page of the caller's rooms by rising id. */
  list(options?: PageOptions & DetailOptions): Promise<{ rooms: Room[]; nextPageToken: string }>;
  /** Finds one page of rooms, without their members. Errors: RATE_LIMITED, INVALID_FIELD, TOO_LARGE. */
  search(options: SearchOptions): Promise<{ rooms: Room[]; nextPageToken: string }>;
  /** The attributes of a room; the creator's to change. */
  attributes(roomId: string): Attributes;
  /** The attributes of a membership: its card; the member's own to change, and the creator's. */
  memberAttributes(roomId: string, userId: string): Attributes;
  /** Gets all the caller's rooms, and keeps them in `currentUser.rooms`. */
  fetch(options?: DetailOptions): Promise<Room[]>;
  /** Changes a room; the creator's. */
  update(roomId: string, change: RoomChange): Promise<Room>;
  /** Deletes a room; the creator's. */
  delete(roomId: string): Promise<void>;
  /** Adds members, all or none; members already stay as they are. Errors: MEMBER_LIMIT. */
  addMembers(roomId: string, userIds: readonly string[]): Promise<Room>;
  /** Removes members, all or none; the creator's. */
  removeMembers(roomId: string, userIds: readonly string[]): Promise<Room>;
  /** Makes the members exactly these and the creator; the creator's. */
  replaceMembers(roomId: string, userIds: readonly string[]): Promise<Room>;
  /** Lists one page of the members in the order of joining. */
  listMembers(roomId: string, page?: PageOptions): Promise<{ members: RoomMember[]; nextPageToken: string }>;
  /** Joins a room. Errors: MEMBER_LIMIT. */
  join(roomId: string): Promise<Room>;
  /** Leaves a room; no member: the same answer. */
  leave(roomId: string): Promise<void>;
}

/** Makes the calls about rooms. `onFetched` is handed what `fetch` brings. */
export function createRooms(rpc: Pick<Rpc, "room" | "user">, onFetched: (rooms: Room[]) => void = () => {}): Rooms {
  const { room } = rpc;
  const view = (detail = false) => (detail ? View.FULL : View.BASIC);
  return {
    create: async ({ memberUserIds = [], ...rest }) =>
      present((await room.createRoom({ ...rest, memberUserIds: [...memberUserIds] })).room),
    get: async (roomId) => present((await room.getRoom({ roomId })).room),
    list: ({ detail, ...page } = {}) => room.listRooms({ ...page, view: view(detail) }),
    async fetch({ detail } = {}) {
      const rooms = await allPages(async (page) => {
        const { rooms: items, nextPageToken } = await room.listRooms({ ...page, view: view(detail) });
        return { items, nextPageToken };
      });
      onFetched(rooms);
      return rooms;
    },
    search: (options) => room.searchRooms(searchRequest(options)),
    attributes: (roomId) => createAttributes(rpc, { case: "roomId", value: roomId }),
    memberAttributes: (roomId, userId) => createAttributes(rpc, { case: "roomMember", value: { roomId, userId } }),
    update: async (roomId, change) => present((await room.updateRoom({ ...change, roomId })).room),
    delete: async (roomId) => void (await room.deleteRoom({ roomId })),
    addMembers: async (roomId, userIds) => present((await room.addRoomMembers({ roomId, userIds: [...userIds] })).room),
    removeMembers: async (roomId, userIds) =>
      present((await room.removeRoomMembers({ roomId, userIds: [...userIds] })).room),
    replaceMembers: async (roomId, userIds) =>
      present((await room.replaceRoomMembers({ roomId, userIds: [...userIds] })).room),
    listMembers: (roomId, page = {}) => room.listRoomMembers({ ...page, roomId }),
    join: async (roomId) => present((await room.joinRoom({ roomId })).room),
    leave: async (roomId) => void (await room.leaveRoom({ roomId })),
  };
}
