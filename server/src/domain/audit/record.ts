import { AuditOutcome } from "@parley/proto/parley/v1/audit_entry_pb.js";
import { type AuditRow, insertAuditEntries } from "../../store/audit.js";
import type { Committer, Tx } from "../../store/committer.js";

/** A call to be recorded: its entry but for what is known at its end. */
export type AuditDraft = Omit<AuditRow, "create_ms" | "outcome" | "reason">;

/** The committer of one recorded call: the first of its changes that is written takes the record along, so that there is never one without the other. */
export function recordingCommitter(
  committer: Committer,
  draft: AuditDraft,
): { committer: Committer; isRecorded(): boolean } {
  let recorded = false;
  const record = async (tx: Tx) => {
    if (recorded) return;
    // The operator's calls are about the app that they write to.
    await insertAuditEntries(tx, [
      { ...draft, app_id: tx.appId, create_ms: tx.nowMs, outcome: AuditOutcome.DONE, reason: 0 },
    ]);
    tx.afterCommit(() => {
      recorded = true;
    });
  };
  return {
    isRecorded: () => recorded,
    committer: {
      run: (appId, work, options) =>
        committer.run(
          appId,
          async (tx) => {
            const answer = await work(tx);
            await record(tx);
            return answer;
          },
          options,
        ),
      submit: (appId, handler, item) =>
        committer.run(appId, async (tx) => {
          const [outcome] = await handler(tx, [item]);
          if (outcome === undefined) throw new Error("a run handler gave too few outcomes");
          if (!outcome.ok) throw outcome.error;
          if (!isRefusedWhole(outcome.value)) await record(tx);
          return outcome.value;
        }),
      close: committer.close,
    },
  };
}

/** Sends of one item have an outcome each: where all are refused, nothing was done. */
function isRefusedWhole(value: unknown): boolean {
  return Array.isArray(value) && value.every((outcome: { ok?: unknown }) => outcome.ok === false);
}
