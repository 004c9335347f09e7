import type { Download, Transfers } from "../../ports.js";
import { type AttachmentRow, findAttachment } from "../../store/attachments.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason, notFound, tooLarge } from "../errors.js";
import { blobName } from "./addresses.js";
import { servedAs } from "./served.js";

/** Lets bytes in and out by signed addresses: who has one needs no token. */
export function createTransfers(ctx: Ctx): Omit<Transfers, "refusal"> {
  /** The upload under way for each attachment, and when it is over. */
  const receiving = new Map<string, { stop: AbortController; over: Promise<unknown> }>();
  return {
    async receive(target, body, lengthBytes) {
      const grant = ctx.urls.read(target, "put", ctx.clock.now());
      const row = await find(ctx, grant);
      if (row.complete === 1) throw new DomainError(ErrorReason.ALREADY_EXISTS, "the upload is complete already");
      if (lengthBytes !== undefined) checkLength(lengthBytes, row.size_bytes);
      const key = `${grant.appId}|${grant.attachmentId}`;
      const earlier = receiving.get(key);
      // A client that lost its connection comes again, and should not wait for what it has left behind.
      earlier?.stop.abort(new DomainError(ErrorReason.CANCELED, "a later upload took its place"));
      const stop = new AbortController();
      const receive = async () => {
        // What has come whole is being stored, and must not take the place of what comes now.
        await earlier?.over;
        await ctx.blobs.receive(grant, exactly(body, row.size_bytes, stop.signal), row.size_bytes);
      };
      const work = receive();
      const mine = { stop, over: work.catch(() => undefined) };
      receiving.set(key, mine);
      try {
        await work;
      } finally {
        if (receiving.get(key) === mine) receiving.delete(key);
      }
    },
    async open(target): Promise<Download> {
      const nowMs = ctx.clock.now();
      const grant = ctx.urls.read(target, "get", nowMs);
      const row = await find(ctx, grant);
      const { part } = grant;
      const sizeBytes = await ctx.blobs.size(grant, part);
      if (row.complete === 0 || sizeBytes === undefined) throw notFound("attachment", "");
      return {
        sizeBytes,
        ...servedAs(row, part),
        etag: `"${row.attachment_id}-${part}"`,
        goodForMs: grant.expireMs - nowMs,
        async read(start, end) {
          const bytes = await ctx.blobs.read(blobName(row), part, start, end);
          if (bytes === undefined) throw notFound("attachment", "");
          return bytes;
        },
      };
    },
  };
}

async function find(
  ctx: Ctx,
  { appId, attachmentId }: { appId: string; attachmentId: string },
): Promise<AttachmentRow> {
  const row = await findAttachment(ctx.read, appId, attachmentId);
  if (row === undefined) throw notFound("attachment", "");
  return row;
}

function checkLength(lengthBytes: number, sizeBytes: number): void {
  if (lengthBytes > sizeBytes) throw tooLarge("body", sizeBytes, "bytes");
  if (lengthBytes < sizeBytes)
    throw new DomainError(ErrorReason.UPLOAD_INCOMPLETE, `${lengthBytes} of ${sizeBytes} bytes were put`, {
      field: "body",
    });
}

/** The bytes of a body, which must be as many as were declared: one more ends it at once. */
async function* exactly(
  body: AsyncIterable<Uint8Array>,
  sizeBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  const replaced = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  replaced.catch(() => undefined);
  const chunks = body[Symbol.asyncIterator]();
  let length = 0;
  for (;;) {
    const next = await Promise.race([chunks.next(), replaced]);
    if (next.done === true) break;
    length += next.value.length;
    if (length > sizeBytes) throw tooLarge("body", sizeBytes, "bytes");
    yield next.value;
  }
  checkLength(length, sizeBytes);
}
