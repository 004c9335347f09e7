import type { UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { placeOf } from "./list-events.js";

/** Takes a session's word that it is alive and has applied everything up to a cursor; see MessageService.AckEvents. */
export async function ackEvents(ctx: Ctx, caller: UserCaller & { sessionId: string }, cursor: string): Promise<void> {
  // A client that is too far behind is alive all the same.
  ctx.tail.acknowledge(caller.appId, caller.sessionId, 0);
  const pos = cursor === "" ? 0 : placeOf(caller.appId, await ctx.tail.state(caller.appId), cursor);
  ctx.tail.acknowledge(caller.appId, caller.sessionId, pos);
}
