import type { Friend } from "@parley/proto/parley/v1/friend_pb.js";
import type { Group } from "@parley/proto/parley/v1/group_pb.js";
import type { Room } from "@parley/proto/parley/v1/room_pb.js";

/** The user that is logged in, with what `friends.fetch`, `groups.fetch` and `rooms.fetch` last brought; events do not change it. */
export interface CurrentUser {
  readonly userId: string;
  /** Whether this login made the user. */
  readonly created: boolean;
  friends: readonly Friend[];
  groups: readonly Group[];
  rooms: readonly Room[];
}
