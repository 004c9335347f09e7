import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { idOf } from "../../store/audience.js";
import type { Tx } from "../../store/committer.js";
import type { MemberRow } from "../../store/members.js";
import { newEvent } from "../events.js";
import type { Standing } from "../places/standing.js";
import { ROOMS } from "./room.js";

/** Tells the room of a membership as it is now. */
export function announceRoomMember(tx: Tx, { place, actorUserId }: Standing, member: MemberRow): void {
  const value = {
    roomId: idOf(place.place),
    change: ChangeKind.UPDATED,
    userIds: [member.user_id],
    actorUserId,
    memberCount: place.member_count,
    member: ROOMS.describeMember(member, tx.nowMs),
  };
  tx.emit(newEvent(tx.nowMs, [place.place], { case: "roomMemberChanged", value }));
}
