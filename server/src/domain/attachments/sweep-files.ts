import type { Logger } from "../../ops/logger.js";
import { type Rounds, startRounds } from "../../ops/rounds.js";
import { findAttachments } from "../../store/attachments.js";
import type { Ctx } from "../context.js";

/** Removes, at the start and once a day, the files that no record knows: what a crash left between a record's end and its file's. */
export function startFileSweep(ctx: Pick<Ctx, "read" | "blobs" | "clock" | "times">, logger: Logger): Rounds {
  const knownUntil = (signal: AbortSignal) => async (appId: string, ids: readonly string[]) => {
    if (signal.aborted) throw new Error("the server stops");
    return new Set((await findAttachments(ctx.read, appId, ids)).keys());
  };
  return startRounds({
    clock: ctx.clock,
    firstMs: 0,
    everyMs: ctx.times.fileSweepMs,
    async round(signal) {
      const removed = await ctx.blobs.sweep(knownUntil(signal));
      if (removed > 0) logger.info({ removed }, "removed files of attachments that no record knows");
    },
    onError: (error) => logger.warn({ err: error }, "a sweep of attachments failed; the next one goes on"),
  });
}
