import type { Tx } from "./committer.js";

/** Keeps how far sessions have applied the log. Markers never move back. */
export async function persistAckedPositions(tx: Tx, acked: ReadonlyMap<string, number>): Promise<void> {
  for (const [sessionId, pos] of acked)
    await tx.db
      .updateTable("session")
      .set({ acked_pos: pos })
      .where("app_id", "=", tx.appId)
      .where("session_id", "=", sessionId)
      .where("acked_pos", "<", pos)
      .execute();
}
