import type { JsonObject } from "@bufbuild/protobuf";
import type { Presence, User } from "@parley/proto/parley/v1/user_pb.js";
import { present } from "./page.js";
import type { Rpc } from "./rpc.js";

/** What changes in a profile; what is absent stays. */
export interface UserChange {
  /** The name to show, at most 256 bytes. */
  readonly displayName?: string;
  /** The address of the picture, http or https, at most 2,048 bytes. */
  readonly avatarUrl?: string;
  /** The app's free data, replacing the old. */
  readonly attributes?: JsonObject;
}

/** Users and their presence. */
export interface Users {
  /** Gets one user. Errors: NOT_FOUND. */
  get(userId: string): Promise<User>;
  /** Gets up to 100 users by rising id; unknown ids are left out. */
  getMany(userIds: readonly string[]): Promise<User[]>;
  /** Changes the caller's own profile. */
  update(change: UserChange): Promise<User>;
  /** Gets the presence of oneself or a friend. Errors: NOT_FRIEND. */
  getPresence(userId: string): Promise<Presence>;
  /** Gets the presence of up to 100 friends by rising id; others are left out. */
  getPresences(userIds: readonly string[]): Promise<Presence[]>;
}

/** Makes the calls about users. */
export function createUsers({ user }: Rpc): Users {
  return {
    get: async (userId) => present((await user.getUser({ userId })).user),
    getMany: async (userIds) => (await user.batchGetUsers({ userIds: [...userIds] })).users,
    update: async (change) => present((await user.updateUser(change)).user),
    getPresence: async (userId) => present((await user.getPresence({ userId })).presence),
    getPresences: async (userIds) => (await user.batchGetPresence({ userIds: [...userIds] })).presences,
  };
}
