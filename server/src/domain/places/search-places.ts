import type { Message } from "@bufbuild/protobuf";
import { findPlaces } from "../../store/members.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { asOrdinaryCaller } from "../ordinary.js";
import { findThings, type SearchRequest } from "../search/find-things.js";
import type { PlaceKind } from "./kind.js";

/** Finds places that the caller may see, without their members; see GroupService.SearchGroups and RoomService.SearchRooms. */
export async function searchPlaces<T extends Message>(
  ctx: Ctx,
  caller: Caller,
  kind: PlaceKind<T>,
  request: SearchRequest,
): Promise<{ things: T[]; nextPageToken: string }> {
  const by = asOrdinaryCaller(caller);
  return await findThings(ctx, by, kind.prefix === "g:" ? "g" : "r", request, async (db, owners) => {
    const rows = new Map((await findPlaces(db, by.appId, owners)).map((row) => [row.place, row]));
    return owners.flatMap((owner) => {
      const row = rows.get(owner);
      return row === undefined ? [] : [kind.describe(row)];
    });
  });
}
