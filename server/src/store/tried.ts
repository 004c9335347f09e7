import type { Tx } from "./committer.js";

/**
 * Takes one try of something that has `most` tries, each of which is free again after `perTryMs`; gives 0, or how long to wait. For what must hold
 * on all nodes together.
 */
export async function takeTry(tx: Tx, whatHash: string, most: number, perTryMs: number): Promise<number> {
  const row = await tx.db
    .selectFrom("tried")
    .select("expire_ms")
    .where("app_id", "=", tx.appId)
    .where("what_hash", "=", whatHash)
    .executeTakeFirst();
  // The tries that are taken are as many as their time that is left. A clock that was set back takes no more than there are.
  const takenMs = Math.min(most * perTryMs, Math.max(0, (row?.expire_ms ?? 0) - tx.nowMs));
  const waitMs = takenMs - (most - 1) * perTryMs;
  if (waitMs > 0) return waitMs;
  const expire_ms = Math.ceil(tx.nowMs + takenMs + perTryMs);
  await tx.db
    .insertInto("tried")
    .values({ app_id: tx.appId, what_hash: whatHash, expire_ms })
    .onConflict((conflict) => conflict.columns(["app_id", "what_hash"]).doUpdateSet({ expire_ms }))
    .execute();
  return 0;
}
