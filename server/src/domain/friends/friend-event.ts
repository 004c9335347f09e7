import type { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { userAudience } from "../../store/audience.js";
import type { Tx } from "../../store/committer.js";
import { newEvent } from "../events.js";

/** Tells both sides of a friendship made or ended, each by an event of its own. */
export function announceFriends(tx: Tx, a: string, b: string, change: ChangeKind): void {
  for (const [reader, userId] of [
    [a, b],
    [b, a],
  ] as const)
    tx.emit(newEvent(tx.nowMs, [userAudience(reader)], { case: "friendChanged", value: { userId, change } }));
}
