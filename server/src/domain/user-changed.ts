import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { userAudience } from "../store/audience.js";
import type { Tx } from "../store/committer.js";
import { listFriends } from "../store/friends.js";
import type { UserRow } from "../store/users.js";
import { newEvent } from "./events.js";
import { userOf } from "./user.js";

/** Tells a user's own devices and its friends how its profile is now. */
export async function emitUserChanged(tx: Tx, row: UserRow): Promise<void> {
  const friends = await listFriends(tx.db, tx.appId, row.user_id);
  const audiences = [row.user_id, ...friends.map((friend) => friend.friend_id)].map(userAudience);
  tx.emit(
    newEvent(tx.nowMs, audiences, { case: "userChanged", value: { user: userOf(row), change: ChangeKind.UPDATED } }),
  );
}
