import type { Message } from "@bufbuild/protobuf";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { idOf } from "../../store/audience.js";
import { listMemberIds, listPlacesOf, type PlaceRow } from "../../store/members.js";
import { snapshot } from "../../store/snapshot.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { asOrdinaryUser } from "../ordinary.js";
import { pageLimit, pageToken, readPageToken } from "../page.js";
import type { PlaceKind } from "./kind.js";

/** Which page of a list to give. */
export interface PlaceList {
  view: View;
  pageSize: number;
  pageToken: string;
}

// A page of whole places ends early rather than growing beyond what one answer should hold.
const MEMBERS_IN_PAGE = 20_000;

/** Lists the places of one kind that the caller is a member of; see GroupService.ListGroups and RoomService.ListRooms. */
export async function listPlaces<T extends Message>(ctx: Ctx, caller: Caller, kind: PlaceKind<T>, request: PlaceList) {
  const { appId, userId } = asOrdinaryUser(caller);
  const limit = pageLimit(ctx, request.pageSize);
  const [after = ""] = readPageToken(request.pageToken, ["string"]) ?? [];
  const name = after === "" ? "" : kind.prefix + after;
  return await snapshot(ctx.read, async (db) => {
    const found = await listPlacesOf(db, appId, userId, kind.prefix, name, limit + 1);
    const full = request.view === View.FULL;
    const page = found.slice(0, full ? Math.min(limit, countFitting(found)) : limit);
    const members = full ? await listMemberIds(db, appId, page.map(nameOf)) : undefined;
    const last = page.at(-1);
    return {
      places: page.map((row) => (members ? kind.describe(row, members.get(row.place)) : kind.mention(idOf(row.place)))),
      nextPageToken: last !== undefined && page.length < found.length ? pageToken(idOf(last.place)) : "",
    };
  });
}

const nameOf = (row: PlaceRow): string => row.place;

/** How many of the first places, at least one, have together no more members than a page may hold. */
export function countFitting(places: readonly Pick<PlaceRow, "member_count">[], most = MEMBERS_IN_PAGE): number {
  let members = 0;
  const end = places.findIndex((place, at) => {
    members += place.member_count;
    return at > 0 && members > most;
  });
  return end < 0 ? places.length : end;
}
