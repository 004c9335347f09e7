import type { BlobName, BlobPart } from "../../ports.js";
import type { AttachmentRow } from "../../store/attachments.js";
import type { Ctx } from "../context.js";
import { servedAs } from "./served.js";

type AddressCtx = Pick<Ctx, "blobs" | "urls" | "clock">;

/** Where an uploader puts its bytes: at this server, or at the store itself where that lets clients in. */
export async function uploadAddress(
  ctx: AddressCtx,
  row: Pick<AttachmentRow, "app_id" | "attachment_id" | "mime_type" | "size_bytes">,
  baseUrl: string,
  expireMs: number,
): Promise<string> {
  const name = blobName(row);
  const { direct } = ctx.blobs;
  if (direct === undefined) return baseUrl + ctx.urls.targetOf({ ...name, may: "put", part: "original", expireMs });
  const lifeMs = expireMs - ctx.clock.now();
  return await direct.putAddress(name, { sizeBytes: row.size_bytes, contentType: row.mime_type, lifeMs });
}

/** Where a reader gets a part of an attachment. */
export async function downloadAddress(
  ctx: AddressCtx,
  row: AttachmentRow,
  part: BlobPart,
  baseUrl: string,
  expireMs: number,
): Promise<string> {
  const name = blobName(row);
  const { direct } = ctx.blobs;
  if (direct === undefined) return baseUrl + ctx.urls.targetOf({ ...name, may: "get", part, expireMs });
  return await direct.getAddress(name, part, { ...servedAs(row, part), lifeMs: expireMs - ctx.clock.now() });
}

export function blobName(row: Pick<AttachmentRow, "app_id" | "attachment_id">): BlobName {
  return { appId: row.app_id, attachmentId: row.attachment_id };
}
