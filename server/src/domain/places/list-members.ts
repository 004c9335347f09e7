import type { Message } from "@bufbuild/protobuf";
import { listMembers as readMembers } from "../../store/members.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { asOrdinaryCaller } from "../ordinary.js";
import { pageLimit, pageToken, readPageToken } from "../page.js";
import type { PlaceKind } from "./kind.js";
import { requireMember, standingIn } from "./standing.js";

/** Lists the members in the order of joining; see GroupService.ListGroupMembers and RoomService.ListRoomMembers. */
export async function listMembers<T extends Message, M extends Message>(
  ctx: Ctx,
  caller: Caller,
  kind: PlaceKind<T, M>,
  id: string,
  request: { pageSize: number; pageToken: string },
): Promise<{ members: M[]; nextPageToken: string }> {
  const by = asOrdinaryCaller(caller);
  const limit = pageLimit(ctx, request.pageSize);
  const after = readPageToken(request.pageToken, ["number", "string"]);
  const standing = await standingIn(ctx.read, kind, id, by);
  requireMember(kind, standing);
  const order = after && { joinedPos: Number(after[0]), userId: String(after[1]) };
  const found = await readMembers(ctx.read, by.appId, standing.place.place, order, limit + 1);
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const nowMs = ctx.clock.now();
  return {
    members: page.map((row) => kind.describeMember(row, nowMs)),
    nextPageToken: last !== undefined && found.length > limit ? pageToken(last.joined_pos, last.user_id) : "",
  };
}
