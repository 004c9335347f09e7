import type { DescMethodUnary, Message } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { AuditOutcome } from "@parley/proto/parley/v1/audit_entry_pb.js";
import type { AuditLog } from "../domain/audit/audit-log.js";
import { type AuditDraft, recordingCommitter } from "../domain/audit/record.js";
import { targetsOf } from "../domain/audit/targets.js";
import type { Caller } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { ErrorReason, refusalOf } from "../domain/errors.js";
import type { Call } from "./funnel.js";

/** Runs a call that was let in, and records it when the app's backend or the operator changes something. The work gets the context to do it in, or undefined for the usual one. */
export type Audit = <T>(
  method: DescMethodUnary,
  call: Call,
  request: Message,
  work: (ctx: Ctx | undefined) => Promise<T>,
) => Promise<T>;

export function createAudit(ctx: Ctx, log: AuditLog): Audit {
  const recorded = async <T>(
    keeper: Keeper,
    method: DescMethodUnary,
    call: Call,
    request: Message,
    work: (ctx: Ctx) => Promise<T>,
  ): Promise<T> => {
    const targets = targetsOf(method.input, request);
    const draft: AuditDraft = {
      ...keeper,
      entry_id: ctx.newId(),
      method: `${method.parent.typeName}/${method.name}`,
      targets: JSON.stringify(targets.slice(0, ctx.limits.auditTargets)),
      target_count: targets.length,
      request_id: call.requestId,
      address: call.address,
    };
    const later = (outcome: AuditOutcome, reason: ErrorReason) =>
      log.later({ ...draft, entry_id: ctx.newId(), create_ms: ctx.clock.now(), outcome, reason });
    const { committer, isRecorded } = recordingCommitter(ctx.committer, draft);
    try {
      const answer = await work({ ...ctx, committer });
      if (!isRecorded()) later(AuditOutcome.DONE, ErrorReason.UNSPECIFIED);
      return answer;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) later(AuditOutcome.FAILED, ErrorReason.UNSPECIFIED);
      else later(AuditOutcome.REFUSED, refusal.reason);
      throw error;
    }
  };
  // The many calls that are not recorded pay nothing.
  return (method, call, request, work) => {
    const keeper = method.idempotency === Idempotency.NO_SIDE_EFFECTS ? undefined : keeperOf(call.caller);
    return keeper === undefined ? work(undefined) : recorded(keeper, method, call, request, work);
  };
}

type Keeper = Pick<AuditDraft, "app_id" | "service_key_id">;

/** In whose name a recorded call is made: by a key of an app, or by the operator. What is done for a user is the user's. */
function keeperOf(caller: Caller): Keeper | undefined {
  if (caller.kind === "operator") return { app_id: "", service_key_id: "" };
  return caller.kind === "service" ? { app_id: caller.appId, service_key_id: caller.serviceKeyId } : undefined;
}
