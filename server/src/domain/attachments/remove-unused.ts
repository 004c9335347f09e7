import { deleteAttachments, listUnused } from "../../store/attachments.js";
import type { Ctx } from "../context.js";
import { nextTurn } from "../next-turn.js";

const STEP_ITEMS = 200;
/** A full disk must not keep it from running. */
const FREES = { frees: true };

/**
 * Removes the uploads of an app that were not completed in time, and the attachments that no message uses, once they are a day old. Gives the
 * number. The record goes before the file: a crash between the two leaves a file that the sweep finds, never a record without its bytes.
 */
export async function removeUnused(
  ctx: Pick<Ctx, "read" | "committer" | "times" | "blobs">,
  appId: string,
  nowMs: number,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  for (const [complete, keepMs] of [
    [0, ctx.times.uploadMs],
    [1, ctx.times.attachmentUnusedMs],
  ] as const) {
    const beforeMs = nowMs - keepMs;
    for (let found = STEP_ITEMS; found === STEP_ITEMS && !signal.aborted; removed += found) {
      if ((await listUnused(ctx.read, appId, complete, beforeMs, 1)).length === 0) break;
      const ids = await ctx.committer.run(
        appId,
        async (tx) => {
          const rows = await listUnused(tx.db, appId, complete, beforeMs, STEP_ITEMS);
          const ids = rows.map((row) => row.attachment_id);
          if (ids.length > 0) await deleteAttachments(tx, ids);
          return ids;
        },
        FREES,
      );
      for (const attachmentId of ids) await ctx.blobs.remove({ appId, attachmentId });
      found = ids.length;
      await nextTurn();
    }
  }
  return removed;
}
