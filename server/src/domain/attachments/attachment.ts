import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Attachment, AttachmentSchema } from "@parley/proto/parley/v1/attachment_pb.js";
import type { BlobName, BlobPart } from "../../ports.js";
import type { AttachmentRow } from "../../store/attachments.js";
import type { Ctx } from "../context.js";

/** An attachment as whoever may see it is told, with addresses below the one that the caller came by. */
export function attachmentOf(ctx: Ctx, row: AttachmentRow, baseUrl: string): Attachment {
  const expireMs = ctx.clock.now() + ctx.times.downloadMs;
  const urlOf = (part: BlobPart) => baseUrl + ctx.urls.targetOf({ ...blobName(row), may: "get", part, expireMs });
  return create(AttachmentSchema, {
    attachmentId: row.attachment_id,
    fileName: row.file_name,
    mimeType: row.mime_type,
    sizeBytes: row.size_bytes,
    width: row.width,
    height: row.height,
    url: urlOf("original"),
    thumbnailUrl: row.thumbnail === 1 ? urlOf("thumbnail") : "",
    urlExpireTime: timestampFromMs(expireMs),
    createTime: timestampFromMs(row.create_ms),
  });
}

export function blobName(row: Pick<AttachmentRow, "app_id" | "attachment_id">): BlobName {
  return { appId: row.app_id, attachmentId: row.attachment_id };
}
