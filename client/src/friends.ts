import type { Friend, Stranger } from "@parley/proto/parley/v1/friend_pb.js";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { fromResultError, type ParleyError } from "./errors.js";
import { allPages, type DetailOptions, type PageOptions, present } from "./page.js";
import type { Rpc } from "./rpc.js";

/** What became of one of several users to befriend. */
export type AddFriendOutcome =
  | { readonly userId: string; readonly friend: Friend }
  | { readonly userId: string; readonly error: ParleyError };

/** Which strangers are asked for. */
export interface StrangerOptions extends PageOptions, DetailOptions {
  /** The ids to ask about, at most 100; by default all. */
  readonly userIds?: readonly string[];
}

/** Friendships. */
export interface Friends {
  /** Makes two users friends, both ways and at once; already friends: the same answer. Errors: NOT_FOUND, ROLE_TOO_LOW (guests), MEMBER_LIMIT. */
  add(userId: string, greeting?: string): Promise<Friend>;
  /** Befriends up to 100 users at once, each with its own outcome, in the same order. */
  addMany(userIds: readonly string[], greeting?: string): Promise<AddFriendOutcome[]>;
  /** Ends a friendship, both ways; succeeds also when there is none. */
  remove(userId: string): Promise<void>;
  /** Gets one friend with presence, profile and newest message. Errors: NOT_FRIEND. */
  get(userId: string): Promise<Friend>;
  /** Lists one page of the friends by rising id. */
  list(options?: PageOptions & DetailOptions): Promise<{ friends: Friend[]; nextPageToken: string }>;
  /** Lists one page of the strangers one has talked with; with `detail` their presence, profile and newest message. Guests may too. */
  listStrangers(options?: StrangerOptions): Promise<{ strangers: Stranger[]; nextPageToken: string }>;
  /** Gets all friends, and keeps them in `currentUser.friends`. */
  fetch(options?: DetailOptions): Promise<Friend[]>;
}

/** Makes the calls about friendships. `onFetched` is handed what `fetch` brings. */
export function createFriends({ friend }: Rpc, onFetched: (friends: Friend[]) => void = () => {}): Friends {
  const view = (detail = false) => (detail ? View.FULL : View.BASIC);
  return {
    add: async (userId, greeting = "") => present((await friend.addFriend({ userId, greeting })).friend),
    async addMany(userIds, greeting = "") {
      const { results } = await friend.batchAddFriends({ userIds: [...userIds], greeting });
      return results.map(({ userId, friend: made, error }) =>
        error ? { userId, error: fromResultError(error) } : { userId, friend: present(made) },
      );
    },
    remove: async (userId) => void (await friend.removeFriend({ userId })),
    get: async (userId) => present((await friend.getFriend({ userId })).friend),
    list: ({ detail, ...page } = {}) => friend.listFriends({ ...page, view: view(detail) }),
    listStrangers: ({ detail, userIds = [], ...page } = {}) =>
      friend.listStrangers({ ...page, userIds: [...userIds], view: view(detail) }),
    async fetch({ detail } = {}) {
      const friends = await allPages(async (page) => {
        const { friends: items, nextPageToken } = await friend.listFriends({ ...page, view: view(detail) });
        return { items, nextPageToken };
      });
      onFetched(friends);
      return friends;
    },
  };
}
