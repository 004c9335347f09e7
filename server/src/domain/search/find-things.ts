import type { SearchFilter } from "@parley/proto/parley/v1/attributes_pb.js";
import { JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import type { Kind } from "../../store/attribute-rows.js";
import { idOf } from "../../store/audience.js";
import type { Db } from "../../store/schema.js";
import { type Position, type Sort, search } from "../../store/search.js";
import { snapshot } from "../../store/snapshot.js";
import type { ServiceCaller, UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { tooLarge } from "../errors.js";
import { pageLimit, pageToken, readPageToken } from "../page.js";
import { conditionsOf, sortsOf } from "./conditions.js";

/** A search, of whatever kind. */
export interface SearchRequest {
  filters: readonly SearchFilter[];
  sort: readonly string[];
  pageSize: number;
  pageToken: string;
}

/** Finds the things of one kind that a caller may see; `load` makes them of their owner names, in the same order. */
export async function findThings<T>(
  ctx: Ctx,
  by: UserCaller | ServiceCaller,
  kind: Kind,
  request: SearchRequest,
  load: (db: Db, owners: readonly string[]) => Promise<T[]>,
): Promise<{ things: T[]; nextPageToken: string }> {
  const { limits } = ctx;
  const conditions = conditionsOf(kind, request.filters);
  const sorts = sortsOf(kind, request.sort);
  const after = positionOf(kind, sorts, request.pageToken);
  takeSearch(ctx, by);
  const viewer =
    kind === "g" && by.kind === "user" ? { userId: by.userId, openPolicy: JoinPolicy.OPEN as number } : undefined;
  const query = { appId: by.appId, kind, viewer, conditions, sorts, after, limit: pageLimit(ctx, request.pageSize) };
  const bounds = { rows: limits.searchedRows, things: limits.searchedThings };
  return await snapshot(ctx.read, async (db) => {
    const found = await search(db, query, bounds);
    if (found === "unordered") throw tooLarge("sort", limits.searchedThings, "things equal by its first path");
    const { items, next } = found;
    return {
      things: await load(
        db,
        items.map(({ owner }) => owner),
      ),
      nextPageToken: next === undefined ? "" : pageToken(...next.keys, idOf(next.owner)),
    };
  });
}

function positionOf(kind: Kind, sorts: readonly Sort[], token: string): Position | undefined {
  const values = readPageToken(token, [...sorts.map(() => "string" as const), "string"])?.map(String);
  return values && { keys: values.slice(0, -1), owner: `${kind}:${values.at(-1)}` };
}

/** Searches are dear, so a user makes only so many in a second; the app's backend is trusted. Throws RATE_LIMITED. */
function takeSearch(ctx: Ctx, by: UserCaller | ServiceCaller): void {
  if (by.kind !== "user" || by.sessionId === undefined || ctx.sendsPerSecond === 0) return;
  const { searchesPerSecond } = ctx.limits;
  ctx.buckets.take(`search|${by.appId}|${by.userId}`, searchesPerSecond, searchesPerSecond);
}
