import type { JsonObject } from "@bufbuild/protobuf";
import type { Presence, PresenceSettings, User } from "@parley/proto/parley/v1/user_pb.js";
import { type Attributes, createAttributes } from "./attributes.js";
import { present } from "./page.js";
import type { Rpc } from "./rpc.js";
import { type SearchOptions, searchRequest } from "./search.js";

/** What changes in a profile; what is absent stays. */
export interface UserChange {
  /** The name to show, at most 256 bytes. */
  readonly displayName?: string;
  /** The address of the picture, http or https, at most 2,048 bytes. */
  readonly avatarUrl?: string;
  /** The app's free data, replacing the old. */
  readonly attributes?: JsonObject;
}

/** How one's own presence is shown; what is absent stays. */
export interface PresenceChange {
  /** Whether everyone in the app is told of it, as support desks need. Errors: ROLE_TOO_LOW, unless the app allows it. */
  readonly notifyEveryone?: boolean;
  /** Whether one is shown as offline to all, on all devices, and receives all the same. */
  readonly invisible?: boolean;
}

/** Users and their presence. */
export interface Users {
  /** Gets one user. Errors: NOT_FOUND. */
  get(userId: string): Promise<User>;
  /** Gets up to 100 users by rising id; unknown ids are left out. */
  getMany(userIds: readonly string[]): Promise<User[]>;
  /** Changes the caller's own profile. */
  update(change: UserChange): Promise<User>;
  /** The caller's own attributes; others' with {@link Users.attributesOf}. */
  readonly attributes: Attributes;
  /** The attributes of a user; its own to change, and the backend's. */
  attributesOf(userId: string): Attributes;
  /** Finds one page of users. Errors: ROLE_TOO_LOW (the app keeps it to its backend), RATE_LIMITED, INVALID_FIELD, TOO_LARGE. */
  search(options: SearchOptions): Promise<{ users: User[]; nextPageToken: string }>;
  /** Gets how one's own presence is shown. */
  getPresenceSettings(): Promise<PresenceSettings>;
  /** Changes how one's own presence is shown, on all devices and at once. Errors: RATE_LIMITED, ROLE_TOO_LOW. */
  setPresence(change: PresenceChange): Promise<PresenceSettings>;
  /** Gets the presence of oneself, a friend, a stranger one has talked with, or one who tells everyone. Errors: NOT_FRIEND. */
  getPresence(userId: string): Promise<Presence>;
  /** Gets the presence of up to 100 users by rising id; those that one may not ask about are left out. */
  getPresences(userIds: readonly string[]): Promise<Presence[]>;
}

/** Makes the calls about users. */
export function createUsers(rpc: Pick<Rpc, "user">): Users {
  const { user } = rpc;
  return {
    get: async (userId) => present((await user.getUser({ userId })).user),
    getMany: async (userIds) => (await user.batchGetUsers({ userIds: [...userIds] })).users,
    update: async (change) => present((await user.updateUser(change)).user),
    attributes: createAttributes(rpc),
    attributesOf: (userId) => createAttributes(rpc, { case: "userId", value: userId }),
    search: (options) => user.searchUsers(searchRequest(options)),
    getPresenceSettings: async () => present((await user.getPresenceSettings({})).settings),
    setPresence: async (change) => present((await user.updatePresenceSettings(change)).settings),
    getPresence: async (userId) => present((await user.getPresence({ userId })).presence),
    getPresences: async (userIds) => (await user.batchGetPresence({ userIds: [...userIds] })).presences,
  };
}
