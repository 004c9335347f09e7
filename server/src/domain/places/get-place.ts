import type { Message } from "@bufbuild/protobuf";
import { snapshot } from "../../store/snapshot.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { asOrdinaryCaller } from "../ordinary.js";
import type { PlaceKind } from "./kind.js";
import { requireMember, standingIn, wholePlace } from "./standing.js";

/** Gets a place with its members; see GroupService.GetGroup and RoomService.GetRoom. */
export async function getPlace<T extends Message>(
  ctx: Ctx,
  caller: Caller,
  kind: PlaceKind<T>,
  id: string,
): Promise<T> {
  const by = asOrdinaryCaller(caller);
  return await snapshot(ctx.read, async (db) => {
    const standing = await standingIn(db, kind, id, by);
    if (!kind.openToView) requireMember(kind, standing);
    return await wholePlace(db, kind, standing.place);
  });
}
