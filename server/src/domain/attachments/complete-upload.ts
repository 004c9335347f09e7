import { createHash } from "node:crypto";
import type { CompleteUploadRequest } from "@parley/proto/parley/v1/attachment_service_pb.js";
import { type AttachmentRow, completeAttachment, findAttachment, setAttempt } from "../../store/attachments.js";
import type { Tx } from "../../store/committer.js";
import type { Db } from "../../store/schema.js";
import type { ServiceCaller, UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason, invalidField, notFound, tooLarge } from "../errors.js";
import { actorOf } from "../ordinary.js";
import { blobName } from "./addresses.js";
import { declaredImage, HEAD_BYTES, imageTypeOf, OPENED } from "./image-types.js";

type Facts = Pick<AttachmentRow, "width" | "height" | "thumbnail">;

/**
 * Ends an upload; see AttachmentService.CompleteUpload. The bytes are taken out of reach of the upload's address before they are looked at, and are
 * there for good before the record says so: a crash leaves an upload that can be completed again, never an attachment without its bytes. Other nodes may
 * be at it too. Each writes down that it begins before it claims, and only the last one to begin may end: what another has looked at may be replaced.
 */
export async function completeUpload(
  ctx: Ctx,
  caller: UserCaller | ServiceCaller,
  request: CompleteUploadRequest,
): Promise<AttachmentRow> {
  const { appId } = caller;
  const { attachmentId } = request;
  return await ctx.turns.alone(`${appId}|${attachmentId}`, async () => {
    const known = await findMine(ctx.read, caller, attachmentId);
    const row = known.complete === 1 ? known : await ctx.committer.run(appId, (tx) => begin(tx, caller, attachmentId));
    if (row.complete === 1) {
      await checkHash(ctx, row, request.sha256);
      return row;
    }
    if ((await ctx.blobs.claim(blobName(row))) !== row.size_bytes) throw incomplete();
    await checkHash(ctx, row, request.sha256);
    const facts = await lookAt(ctx, row);
    return await ctx.committer.run(appId, async (tx) => {
      const now = await findAttachment(tx.db, appId, attachmentId);
      // It took so long that its time was over.
      if (now === undefined) throw notFound("attachment", "attachment_id");
      if (now.attempt !== row.attempt) throw overtaken();
      await completeAttachment(tx, attachmentId, facts);
      return { ...now, ...facts, complete: 1 };
    });
  });
}

async function findMine(db: Db, caller: UserCaller | ServiceCaller, attachmentId: string): Promise<AttachmentRow> {
  const row = await findAttachment(db, caller.appId, attachmentId);
  const mine = row !== undefined && (caller.kind === "service" || row.owner_user_id === actorOf(caller));
  if (!mine) throw notFound("attachment", "attachment_id");
  return row;
}

/** Begins an attempt, unless an earlier one has ended well. */
async function begin(tx: Tx, caller: UserCaller | ServiceCaller, attachmentId: string): Promise<AttachmentRow> {
  const row = await findMine(tx.db, caller, attachmentId);
  if (row.complete === 1) return row;
  const attempt = row.attempt + 1;
  await setAttempt(tx, attachmentId, attempt);
  return { ...row, attempt };
}

function overtaken(): DomainError {
  return new DomainError(ErrorReason.SERVER_BUSY, "another call completes this upload", { retryDelayMs: 1000 });
}

function incomplete(): DomainError {
  return new DomainError(ErrorReason.UPLOAD_INCOMPLETE, "the bytes are not all there: put them to upload_url", {
    field: "attachment_id",
  });
}

async function checkHash(ctx: Ctx, row: AttachmentRow, sha256: string): Promise<void> {
  if (sha256 === "") return;
  const hash = createHash("sha256");
  for await (const chunk of await bytesOf(ctx, row, row.size_bytes)) hash.update(chunk);
  if (hash.digest("hex") !== sha256.toLowerCase())
    throw invalidField("sha256", "the bytes that came have another hash");
}

async function bytesOf(ctx: Ctx, row: AttachmentRow, end: number): Promise<AsyncIterable<Uint8Array>> {
  const bytes = await ctx.blobs.read(blobName(row), "original", 0, end);
  if (bytes === undefined) throw incomplete();
  return bytes;
}

/** Holds what claims to be an image against its bytes, and opens it if it is one that is opened. */
async function lookAt(ctx: Ctx, row: AttachmentRow): Promise<Facts> {
  const facts: Facts = { width: 0, height: 0, thumbnail: 0 };
  const declared = declaredImage(row.mime_type);
  if (declared === undefined) return facts;
  const chunks: Uint8Array[] = [];
  for await (const chunk of await bytesOf(ctx, row, Math.min(HEAD_BYTES, row.size_bytes))) chunks.push(chunk);
  if (imageTypeOf(Buffer.concat(chunks)) !== declared)
    throw invalidField("attachment_id", `the bytes are no ${declared}, which CreateUpload declared`);
  if (!OPENED.has(declared)) return facts;
  const name = blobName(row);
  // One at a time: an image that is opened may take much memory and time.
  const seen = await ctx.imageGate(() => ctx.blobs.withFile(name, (file) => ctx.images.look(file)));
  if (seen === "too_large") throw tooLarge("attachment_id", ctx.limits.imagePixels, "pixels");
  if (seen.thumbnail !== undefined) {
    if ((await findAttachment(ctx.read, row.app_id, row.attachment_id))?.attempt !== row.attempt) throw overtaken();
    await ctx.blobs.putThumbnail(name, seen.thumbnail);
  }
  return { width: seen.width, height: seen.height, thumbnail: seen.thumbnail === undefined ? 0 : 1 };
}
