import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { idOf } from "../../store/audience.js";
import type { Tx } from "../../store/committer.js";
import { dissolvePlace } from "../../store/members.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { newEvent } from "../events.js";
import { asOrdinaryCaller } from "../ordinary.js";
import type { PlaceKind } from "./kind.js";
import { requireRole, standingIn } from "./standing.js";

/** Takes a place away with all that was said in it; see GroupService.DeleteGroup and RoomService.DeleteRoom. */
export async function deletePlace(ctx: Ctx, caller: Caller, kind: PlaceKind, id: string): Promise<void> {
  const by = asOrdinaryCaller(caller);
  await ctx.committer.run(by.appId, async (tx) => {
    const standing = await standingIn(tx.db, kind, id, by);
    requireRole(kind, standing, GroupRole.OWNER);
    await dissolve(tx, kind, standing.place.place, standing.actorUserId);
  });
}

/** Takes a place away and tells its members. */
export async function dissolve(tx: Tx, kind: PlaceKind, place: string, actorUserId: string): Promise<void> {
  const event = kind.changed({ id: idOf(place), change: ChangeKind.REMOVED, place: undefined, actorUserId });
  await dissolvePlace(tx, place, tx.emit(newEvent(tx.nowMs, [place], event)));
}
