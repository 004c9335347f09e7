import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { CreateUploadRequest } from "@parley/proto/parley/v1/attachment_service_pb.js";
import { insertAttachment, type NewAttachment, sumCharged } from "../../store/attachments.js";
import type { ServiceCaller, UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason, tooLarge } from "../errors.js";
import { actorOf } from "../ordinary.js";
import { uploadAddress } from "./addresses.js";

/** Begins an upload; see AttachmentService.CreateUpload. */
export async function createUpload(
  ctx: Ctx,
  caller: UserCaller | ServiceCaller,
  request: CreateUploadRequest,
  baseUrl: string,
) {
  const { limits, times } = ctx;
  const owner = actorOf(caller);
  if (request.sizeBytes > limits.attachmentBytes) throw tooLarge("size_bytes", limits.attachmentBytes, "bytes");
  if (owner !== "") {
    const perSecond = limits.uploadsPerMinute / 60;
    ctx.buckets.take(`upload|${caller.appId}|${owner}`, perSecond, limits.uploadBurst);
  }
  const row: Omit<NewAttachment, "create_ms"> = {
    app_id: caller.appId,
    attachment_id: ctx.newId(),
    owner_user_id: owner,
    file_name: request.fileName,
    mime_type: request.mimeType,
    size_bytes: request.sizeBytes,
    charged_bytes: Math.max(request.sizeBytes, limits.attachmentLeastBytes),
    width: 0,
    height: 0,
    thumbnail: 0,
    complete: 0,
    used: 0,
  };
  const expireMs = await ctx.committer.run(caller.appId, async (tx) => {
    if (owner !== "" && (await sumCharged(tx.db, tx.appId, owner)) + row.charged_bytes > limits.attachmentBytesPerUser)
      throw overQuota(limits.attachmentBytesPerUser);
    await insertAttachment(tx, { ...row, create_ms: tx.nowMs });
    return tx.nowMs + times.uploadMs;
  });
  return {
    attachmentId: row.attachment_id,
    uploadUrl: await uploadAddress(ctx, row, baseUrl, expireMs),
    headers: { "content-type": request.mimeType },
    expireTime: timestampFromMs(expireMs),
  };
}

function overQuota(limit: number): DomainError {
  return new DomainError(ErrorReason.TOO_LARGE, `your attachments would be more than ${limit} bytes together`, {
    field: "size_bytes",
    metadata: { limit: String(limit), quota: "attachment_bytes_per_user" },
  });
}
