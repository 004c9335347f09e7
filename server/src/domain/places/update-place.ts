import type { JsonObject, Message } from "@bufbuild/protobuf";
import { GroupRole, JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { type PlaceRow, updatePlace as storePlace } from "../../store/members.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { newEvent } from "../events.js";
import { screenName } from "../filter/screen.js";
import { asOrdinaryCaller } from "../ordinary.js";
import { sameStruct } from "../same-struct.js";
import { packStruct } from "../struct.js";
import type { PlaceKind } from "./kind.js";
import { requireRole, standingIn, wholePlace } from "./standing.js";

/** What to change of a place; what is absent stays. */
export interface PlaceUpdate {
  name?: string | undefined;
  attributes?: JsonObject | undefined;
  joinPolicy?: JoinPolicy | undefined;
  historyForNewMembers?: boolean | undefined;
}

/** Changes the fields that are set; see GroupService.UpdateGroup and RoomService.UpdateRoom. */
export async function updatePlace<T extends Message>(
  ctx: Ctx,
  caller: Caller,
  kind: PlaceKind<T>,
  id: string,
  update: PlaceUpdate,
): Promise<T> {
  const by = asOrdinaryCaller(caller);
  const name = await screenName(ctx, by, "name", update.name);
  const attributes = packStruct(ctx.limits, "attributes", update.attributes);
  return await ctx.committer.run(by.appId, async (tx) => {
    const standing = await standingIn(tx.db, kind, id, by);
    requireRole(kind, standing, GroupRole.OWNER);
    const { place: old, actorUserId } = standing;
    const change = changeOf(old, { ...update, name }, attributes);
    const place = { ...old, ...change };
    if (Object.keys(change).length > 0) {
      await storePlace(tx, place.place, change);
      const facts = { id, change: ChangeKind.UPDATED, place: kind.describe(place), actorUserId };
      tx.emit(newEvent(tx.nowMs, [place.place], kind.changed(facts)));
    }
    return await wholePlace(tx.db, kind, place);
  });
}

function changeOf(old: PlaceRow, update: PlaceUpdate, attributes: Buffer | null): Partial<PlaceRow> {
  const change: Partial<PlaceRow> = {};
  const { name, joinPolicy = JoinPolicy.UNSPECIFIED, historyForNewMembers } = update;
  const history = historyForNewMembers ? 1 : 0;
  if (name !== undefined && name !== old.name) change.name = name;
  if (update.attributes !== undefined && !sameStruct(attributes, old.attributes)) change.attributes = attributes;
  if (joinPolicy !== JoinPolicy.UNSPECIFIED && joinPolicy !== old.join_policy) change.join_policy = joinPolicy;
  if (historyForNewMembers !== undefined && history !== old.history_for_new_members)
    change.history_for_new_members = history;
  return change;
}
