import { type AttachmentRow, findAttachment } from "../../store/attachments.js";
import { snapshot } from "../../store/snapshot.js";
import type { ServiceCaller, UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { notFound } from "../errors.js";
import { mayHave } from "./readers.js";

/** An attachment that the caller may see, or NOT_FOUND as for one that nobody knows; see AttachmentService.GetAttachment. */
export async function getAttachment(
  ctx: Ctx,
  caller: UserCaller | ServiceCaller,
  attachmentId: string,
): Promise<AttachmentRow> {
  const { appId } = caller;
  return await snapshot(ctx.read, async (db) => {
    const row = await findAttachment(db, appId, attachmentId);
    const allowed =
      row?.complete === 1 &&
      (caller.kind === "service" || (await mayHave(db, caller.userId, row, ctx.heard.find(appId, attachmentId))));
    if (row === undefined || !allowed) throw notFound("attachment", "attachment_id");
    return row;
  });
}
