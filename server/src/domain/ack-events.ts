import { decodeCursor } from "../store/cursor.js";
import { readLogState, refusalOf } from "../store/log.js";
import type { UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { placeOf } from "./list-events.js";

/** Takes a session's word that it is alive and has applied everything up to a cursor; see MessageService.AckEvents. */
export async function ackEvents(ctx: Ctx, caller: UserCaller & { sessionId: string }, cursor: string): Promise<void> {
  // A client that is too far behind is alive all the same.
  ctx.tail.acknowledge(caller.appId, caller.sessionId, 0);
  const pos = cursor === "" ? 0 : await placeAtTail(ctx, caller.appId, cursor);
  ctx.tail.acknowledge(caller.appId, caller.sessionId, pos);
}

/** The position of a cursor by what this node has delivered or, of a client that was served by one that is farther, by what the store holds. */
async function placeAtTail(ctx: Ctx, appId: string, cursor: string): Promise<number> {
  const state = await ctx.tail.state(appId);
  const place = decodeCursor(appId, cursor);
  const isAhead = place !== undefined && refusalOf(state, place) === "history_changed";
  return placeOf(appId, isAhead ? await readLogState(ctx.read, appId) : state, cursor);
}
