import { eraseSome } from "../store/erase.js";
import { findAnyErasure } from "../store/erasure.js";
import type { Ctx } from "./context.js";
import { nextTurn } from "./next-turn.js";

/** Blanks what deleted users have said, and what was said in groups before their history was cleared, in steps of `most` items. */
export async function eraseDeleted(
  ctx: Pick<Ctx, "read" | "committer">,
  signal: AbortSignal,
  most: number,
): Promise<void> {
  while (!signal.aborted) {
    const next = await findAnyErasure(ctx.read);
    if (next === undefined) return;
    // A full disk must not keep it from running.
    await ctx.committer.run(next.app_id, (tx) => eraseSome(tx, next.subject, most), { frees: true });
    await nextTurn();
  }
}
