import type { JsonObject, Message } from "@bufbuild/protobuf";
import { JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { idOf } from "../../store/audience.js";
import type { Tx } from "../../store/committer.js";
import { insertPlace } from "../../store/members.js";
import { answerOnce, type KeyedRequest } from "../answer-once.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { invalidField } from "../errors.js";
import { newEvent } from "../events.js";
import { contentRejected, filterFor } from "../filter/screen.js";
import { actorOf, asOrdinaryCaller } from "../ordinary.js";
import { packStruct } from "../struct.js";
import { checkNewcomers, listFields } from "./admission.js";
import type { PlaceKind } from "./kind.js";
import { beginStays } from "./membership.js";

/** The request for a new place: CreateGroupRequest or CreateRoomRequest. */
export interface NewPlace extends KeyedRequest {
  name: string;
  memberUserIds: string[];
  attributes?: JsonObject | undefined;
  joinPolicy?: JoinPolicy | undefined;
  historyForNewMembers?: boolean | undefined;
}

/** Makes a place with the caller as its owner and first member; see GroupService.CreateGroup and RoomService.CreateRoom. */
export async function createPlace<T extends Message>(
  ctx: Ctx,
  caller: Caller,
  kind: PlaceKind<T>,
  request: NewPlace,
): Promise<T> {
  const by = asOrdinaryCaller(caller);
  const actorUserId = actorOf(by);
  const ownerId = ownerOf(kind, actorUserId, request);
  const filter = await filterFor(ctx, by);
  const name = filter === undefined ? request.name : filter.screen(request.name);
  const attributes = packStruct(ctx.limits, "attributes", request.attributes);
  const bounds = { members: await kind.mostMembers(ctx, by.appId), placesOfUser: ctx.limits.groupsPerUser };
  const members = [...new Set([...request.memberUserIds, ...(ownerId === "" ? [] : [ownerId])])].sort();

  const make = async (tx: Tx): Promise<T> => {
    if (name === undefined) throw contentRejected("name");
    await checkNewcomers(tx, 0, members, bounds, listFields("member_user_ids", request.memberUserIds));
    const row = await insertPlace(tx, {
      place: kind.prefix + ctx.newId(),
      name,
      owner_user_id: ownerId,
      attributes,
      join_policy: request.joinPolicy || JoinPolicy.OPEN,
      history_for_new_members: request.historyForNewMembers === true ? 1 : 0,
      member_count: members.length,
    });
    const place = kind.describe(row, members);
    const event = kind.changed({ id: idOf(row.place), change: ChangeKind.ADDED, place, actorUserId });
    await beginStays(tx, kind, row, members, tx.emit(newEvent(tx.nowMs, [row.place], event)));
    return place;
  };
  const kept = { schema: kind.schema, forMs: ctx.times.answeredMs };
  return await ctx.committer.run(by.appId, (tx) => answerOnce(tx, actorUserId, request, kept, () => make(tx)));
}

/** The owner of a new place. A group of the app's backend goes to the first it names; a room of it belongs to nobody. */
function ownerOf(kind: PlaceKind, actorUserId: string, request: NewPlace): string {
  if (actorUserId !== "" || !kind.ownerStays) return actorUserId;
  const first = request.memberUserIds[0];
  if (first === undefined) throw invalidField("member_user_ids", `a ${kind.word} needs an owner: name it first`);
  return first;
}
