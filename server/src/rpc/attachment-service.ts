import type { AttachmentService } from "@parley/proto/parley/v1/attachment_service_pb.js";
import { attachmentOf } from "../domain/attachments/attachment.js";
import { completeUpload } from "../domain/attachments/complete-upload.js";
import { createUpload } from "../domain/attachments/create-upload.js";
import { getAttachment } from "../domain/attachments/get-attachment.js";
import { asMemberOfApp } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import type { Handlers } from "./funnel.js";

export function attachmentHandlers(ctx: Ctx): Handlers<typeof AttachmentService> {
  return {
    createUpload: ({ caller, baseUrl }, request) => createUpload(ctx, asMemberOfApp(caller), request, baseUrl),
    completeUpload: async ({ caller, baseUrl }, request) => ({
      attachment: await attachmentOf(ctx, await completeUpload(ctx, asMemberOfApp(caller), request), baseUrl),
    }),
    getAttachment: async ({ caller, baseUrl }, request) => ({
      attachment: await attachmentOf(
        ctx,
        await getAttachment(ctx, asMemberOfApp(caller), request.attachmentId),
        baseUrl,
      ),
    }),
  };
}
