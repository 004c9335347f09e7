import type { Friend } from "@parley/proto/parley/v1/friend_pb.js";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { allPages, type DetailOptions, type PageOptions, present } from "./page.js";
import type { Rpc } from "./rpc.js";

/** Friendships. */
export interface Friends {
  /** Makes two users friends, both ways and at once; already friends: the same answer. Errors: NOT_FOUND, ROLE_TOO_LOW (guests), MEMBER_LIMIT. */
  add(userId: string, greeting?: string): Promise<Friend>;
  /** Ends a friendship, both ways; succeeds also when there is none. */
  remove(userId: string): Promise<void>;
  /** Gets one friend with presence, profile and newest message. Errors: NOT_FRIEND. */
  get(userId: string): Promise<Friend>;
  /** Lists one page of the friends by rising id. */
  list(options?: PageOptions & DetailOptions): Promise<{ friends: Friend[]; nextPageToken: string }>;
  /** Gets all friends, and keeps them in `currentUser.friends`. */
  fetch(options?: DetailOptions): Promise<Friend[]>;
}

/** Makes the calls about friendships. `onFetched` is handed what `fetch` brings. */
export function createFriends({ friend }: Rpc, onFetched: (friends: Friend[]) => void = () => {}): Friends {
  const view = (detail = false) => (detail ? View.FULL : View.BASIC);
  return {
    add: async (userId, greeting = "") => present((await friend.addFriend({ userId, greeting })).friend),
    remove: async (userId) => void (await friend.removeFriend({ userId })),
    get: async (userId) => present((await friend.getFriend({ userId })).friend),
    list: ({ detail, ...page } = {}) => friend.listFriends({ ...page, view: view(detail) }),
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
