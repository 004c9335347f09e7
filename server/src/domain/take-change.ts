import type { Caller } from "./caller.js";
import type { Ctx } from "./context.js";

/** Takes one change from a user's measure, so that nobody fills the log or the disk alone; the app's backend is trusted. Throws RATE_LIMITED. */
export function takeChange(ctx: Ctx, caller: Caller): void {
  if (caller.kind !== "user" || caller.sessionId === undefined || ctx.sendsPerSecond === 0) return;
  const { changesPerSecond, changeBurst } = ctx.limits;
  ctx.buckets.take(`change|${caller.appId}|${caller.userId}`, changesPerSecond, changeBurst);
}
