import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Attachment, AttachmentSchema } from "@parley/proto/parley/v1/attachment_pb.js";
import type { BlobPart } from "../../ports.js";
import type { AttachmentRow } from "../../store/attachments.js";
import type { Ctx } from "../context.js";
import { downloadAddress } from "./addresses.js";

/** An attachment as whoever may see it is told, with addresses below the one that the caller came by. */
export async function attachmentOf(ctx: Ctx, row: AttachmentRow, baseUrl: string): Promise<Attachment> {
  const expireMs = ctx.clock.now() + ctx.times.downloadMs;
  const urlOf = (part: BlobPart) => downloadAddress(ctx, row, part, baseUrl, expireMs);
  return create(AttachmentSchema, {
    attachmentId: row.attachment_id,
    fileName: row.file_name,
    mimeType: row.mime_type,
    sizeBytes: row.size_bytes,
    width: row.width,
    height: row.height,
    url: await urlOf("original"),
    thumbnailUrl: row.thumbnail === 1 ? await urlOf("thumbnail") : "",
    urlExpireTime: timestampFromMs(expireMs),
    createTime: timestampFromMs(row.create_ms),
  });
}
