import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { idOf, isGroupPlace } from "../../store/audience.js";
import type { Tx } from "../../store/committer.js";
import {
  findHeir,
  listAllPlacesOf,
  listOwnedPlaces,
  type MemberRow,
  type PlaceRow,
  updateMember,
  updatePlace,
} from "../../store/members.js";
import { newEvent } from "../events.js";
import { GROUPS } from "../groups/group.js";
import { announceMember } from "../groups/member-event.js";
import { ROOMS } from "../rooms/room.js";
import { dissolve } from "./delete-place.js";
import type { PlaceKind } from "./kind.js";
import { letGo } from "./membership.js";

// The app's backend does it, in nobody's name.
const ACTOR = "";

/** Takes a user who is deleted out of all groups and rooms. What it owned goes to the one who has the next right, or, without anybody, with it. */
export async function withdrawFromPlaces(tx: Tx, userId: string): Promise<void> {
  for (const place of await listOwnedPlaces(tx, userId)) {
    const heir = await findHeir(tx, place.place, userId);
    if (heir === undefined) await dissolve(tx, kindOf(place), place.place, ACTOR);
    else await passOn(tx, place, heir);
  }
  for (const place of await listAllPlacesOf(tx, userId)) await letGo(tx, kindOf(place), place, [userId], ACTOR);
}

async function passOn(tx: Tx, old: PlaceRow, heir: MemberRow): Promise<void> {
  const place = { ...old, owner_user_id: heir.user_id };
  // Of rooms nobody is a member with a role.
  if (isGroupPlace(place.place)) {
    const role = GroupRole.OWNER;
    await updateMember(tx, place.place, heir.user_id, { role });
    announceMember(tx, { place, actorUserId: ACTOR, member: true, role }, { ...heir, role });
  }
  await updatePlace(tx, place.place, { owner_user_id: heir.user_id });
  const kind = kindOf(place);
  const facts = { id: idOf(place.place), change: ChangeKind.UPDATED, place: kind.describe(place), actorUserId: ACTOR };
  tx.emit(newEvent(tx.nowMs, [place.place], kind.changed(facts)));
}

function kindOf({ place }: PlaceRow): PlaceKind {
  return isGroupPlace(place) ? GROUPS : ROOMS;
}
