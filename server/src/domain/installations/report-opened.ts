import type { ReportPushOpenedRequest } from "@parley/proto/parley/v1/installation_service_pb.js";
import { findInstallation } from "../../store/installations.js";
import { addPushCounts, dayOf, openPush } from "../../store/push-counts.js";
import { pushIdOf } from "../../store/push-id.js";
import type { UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { invalidField, notFound } from "../errors.js";
import { takeChange } from "../take-change.js";

/** Counts a push as opened, once; see InstallationService.ReportPushOpened. */
export async function reportPushOpened(
  ctx: Ctx,
  caller: UserCaller & { sessionId: string },
  { push, installationId }: ReportPushOpenedRequest,
): Promise<void> {
  if (push.case === undefined) throw invalidField("push", "a push is required");
  takeChange(ctx, caller);
  const pushId = push.case === "pushId" ? push.value.toLowerCase() : pushIdOf(push.value, installationId);
  await ctx.committer.run(caller.appId, async (tx) => {
    const installation = await findInstallation(tx.db, caller.appId, installationId);
    if (installation?.user_id !== caller.userId) throw notFound("installation", "installation_id");
    const opened = await openPush(tx, pushId, installationId);
    if (opened === "unknown") throw notFound("push", push.case === "pushId" ? "push_id" : "message_id");
    if (opened === "first") await addPushCounts(tx, dayOf(tx.nowMs), { opened: 1 });
  });
}
