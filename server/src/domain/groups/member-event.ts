import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { idOf } from "../../store/audience.js";
import type { Tx } from "../../store/committer.js";
import type { MemberRow } from "../../store/members.js";
import { DomainError, ErrorReason } from "../errors.js";
import { newEvent } from "../events.js";
import type { Standing } from "../places/standing.js";
import { GROUPS } from "./group.js";

/** Tells the group of a membership as it is now. */
export function announceMember(tx: Tx, { place, actorUserId }: Standing, member: MemberRow): void {
  const value = {
    groupId: idOf(place.place),
    change: ChangeKind.UPDATED,
    userIds: [member.user_id],
    actorUserId,
    memberCount: place.member_count,
    member: GROUPS.describeMember(member, tx.nowMs),
  };
  tx.emit(newEvent(tx.nowMs, [place.place], { case: "groupMemberChanged", value }));
}

/** The refusal of a user_id that names no member. */
export function notInGroup(): DomainError {
  return new DomainError(ErrorReason.NOT_MEMBER, "this user is not a member of the group", { field: "user_id" });
}
