import { sql } from "kysely";
import type { Tx } from "./committer.js";

/** The sessions that one statement updates: of many, each a statement of its own would hold the app for long. */
const STEP_SESSIONS = 200;

/** Keeps how far sessions have applied the log. Markers never move back. */
export async function persistAckedPositions(tx: Tx, acked: ReadonlyMap<string, number>): Promise<void> {
  const all = [...acked];
  for (let at = 0; at < all.length; at += STEP_SESSIONS) {
    const step = all.slice(at, at + STEP_SESSIONS);
    const rows = step.map(([sessionId, pos]) => sql`(${sessionId}, cast(${pos} as bigint))`);
    await sql`
      with said (session_id, pos) as (values ${sql.join(rows)})
      update session set acked_pos = said.pos from said
      where session.app_id = ${tx.appId} and session.session_id = said.session_id and session.acked_pos < said.pos
    `.execute(tx.db);
  }
}
