import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { idOf, userAudience } from "../../store/audience.js";
import type { Tx } from "../../store/committer.js";
import { addParticipants, findConversation, removeParticipants } from "../../store/conversations.js";
import { endStays, insertMembers, type PlaceRow, updatePlace } from "../../store/members.js";
import { newEvent } from "../events.js";
import type { PlaceKind } from "./kind.js";

/** Lets users in who are no members and were checked; gives the place as it is then. The event of their joining is the first they see. */
export async function letIn(
  tx: Tx,
  kind: PlaceKind,
  place: PlaceRow,
  newcomers: readonly string[],
  actorUserId: string,
): Promise<PlaceRow> {
  if (newcomers.length === 0) return place;
  // In the order in which the lists of members show them.
  const userIds = newcomers.toSorted();
  const memberCount = place.member_count + userIds.length;
  const change = ChangeKind.ADDED;
  const event = kind.membersChanged({ id: idOf(place.place), change, userIds, actorUserId, memberCount });
  await beginStays(tx, kind, place, userIds, tx.emit(newEvent(tx.nowMs, [place.place], event)));
  await updatePlace(tx, place.place, { member_count: memberCount });
  return { ...place, member_count: memberCount };
}

/** Begins stays at the event that tells of them, for a place that is just made as for one that stands. */
export async function beginStays(
  tx: Tx,
  kind: PlaceKind,
  place: PlaceRow,
  userIds: readonly string[],
  joinedPos: number,
): Promise<void> {
  const roleOf = (userId: string) => (userId === place.owner_user_id ? GroupRole.OWNER : GroupRole.MEMBER);
  await insertMembers(
    tx,
    place.place,
    joinedPos,
    userIds.map((userId) => ({ userId, role: roleOf(userId) })),
  );
  if (!kind.keepsMessages) return;
  // What was said before counts as read, even where newcomers may look at it.
  const readSeq = (await findConversation(tx.db, tx.appId, place.place))?.head_seq ?? 0;
  await addParticipants(
    tx,
    userIds.map((userId) => ({ userId, conversationId: place.place, readSeq })),
  );
}

/** Ends the stays of users who are members; gives the place as it is then. They see this event by their own names, and nothing after. */
export async function letGo(
  tx: Tx,
  kind: PlaceKind,
  place: PlaceRow,
  userIds: string[],
  actorUserId: string,
): Promise<PlaceRow> {
  if (userIds.length === 0) return place;
  const memberCount = place.member_count - userIds.length;
  const change = ChangeKind.REMOVED;
  const event = kind.membersChanged({ id: idOf(place.place), change, userIds, actorUserId, memberCount });
  const leftPos = tx.emit(newEvent(tx.nowMs, [place.place, ...userIds.map(userAudience)], event));
  await endStays(tx, place.place, userIds, leftPos);
  await updatePlace(tx, place.place, { member_count: memberCount });
  if (kind.keepsMessages) await removeParticipants(tx, place.place, userIds);
  return { ...place, member_count: memberCount };
}
