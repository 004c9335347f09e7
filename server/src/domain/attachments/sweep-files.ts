import type { Logger } from "../../ops/logger.js";
import { findAttachments } from "../../store/attachments.js";
import type { Ctx } from "../context.js";

export interface FileSweep {
  /** Starts no other, and waits for the one under way. */
  close(): Promise<void>;
}

/** Removes, at the start and once a day, the files that no record knows: what a crash left between a record's end and its file's. */
export function startFileSweep(ctx: Pick<Ctx, "read" | "blobs" | "clock" | "times">, logger: Logger): FileSweep {
  let closed = false;
  let running: Promise<void> = Promise.resolve();
  const known = async (appId: string, ids: readonly string[]): Promise<ReadonlySet<string>> => {
    if (closed) throw new Error("the server stops");
    return new Set((await findAttachments(ctx.read, appId, ids)).keys());
  };
  const sweep = async (): Promise<void> => {
    try {
      const removed = await ctx.blobs.sweep(known);
      if (removed > 0) logger.info({ removed }, "removed files of attachments that no record knows");
    } catch (error) {
      if (!closed) logger.warn({ err: error }, "a sweep of attachments failed; the next one goes on");
    }
    if (!closed) timer = ctx.clock.setTimer(begin, ctx.times.fileSweepMs);
  };
  const begin = () => {
    running = sweep();
  };
  let timer = ctx.clock.setTimer(begin, 0);
  return {
    async close() {
      closed = true;
      timer.cancel();
      await running;
    },
  };
}
