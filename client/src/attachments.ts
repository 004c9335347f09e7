import type { Attachment } from "@parley/proto/parley/v1/attachment_pb.js";
import { fromHttpError } from "./errors.js";
import { present } from "./page.js";
import type { PutBytes } from "./put-bytes.js";
import type { Rpc } from "./rpc.js";

/** What can be uploaded: in Node a file is one by `await openAsBlob(path)` of `node:fs`. */
export type Uploadable = Blob | Uint8Array;

/** How something is uploaded. */
export interface UploadOptions {
  /** At most 255 bytes, without slashes; by default the name of a `File`. */
  readonly fileName?: string;
  /** By default the type of a `Blob` or `File`, else application/octet-stream. */
  readonly mimeType?: string;
  /** Told as the bytes go: how many of how many. */
  readonly onProgress?: (sentBytes: number, totalBytes: number) => void;
  /** Ends the upload with CANCELED. */
  readonly signal?: AbortSignal;
}

/** The bytes that messages refer to. */
export interface Attachments {
  /**
   * Uploads a file of at most 20 MiB, so that it can be sent: `{ image: { attachmentId } }`. One that no message uses is removed after a day. It does
   * not wait for the network. Errors: TOO_LARGE, INVALID_FIELD (no image of the type it claims), RATE_LIMITED, UNREACHABLE, CANCELED, STORAGE_UNAVAILABLE.
   */
  upload(file: Uploadable, options?: UploadOptions): Promise<Attachment>;
  /** Gets an attachment, with a `url` and a `thumbnailUrl` that are good for 10 minutes. Errors: NOT_FOUND. */
  get(attachmentId: string): Promise<Attachment>;
}

/** What is known of a file before it is uploaded. */
export function describeFile(file: Uploadable, { fileName, mimeType }: UploadOptions = {}) {
  const named = file as Partial<Pick<File, "name" | "type">>;
  return {
    fileName: fileName ?? named.name ?? "",
    mimeType: mimeType ?? (named.type || "application/octet-stream"),
    sizeBytes: file instanceof Blob ? file.size : file.byteLength,
  };
}

export function createAttachments({ attachment }: Pick<Rpc, "attachment">, put: PutBytes): Attachments {
  return {
    async upload(file, options = {}) {
      const { onProgress, signal } = options;
      const call = signal ? { signal } : {};
      const body = file instanceof Blob ? file : new Blob([file as Uint8Array<ArrayBuffer>]);
      const begun = await attachment.createUpload(describeFile(file, options), call);
      const { attachmentId, uploadUrl: url, headers } = begun;
      const tell = (sentBytes: number): void => onProgress?.(sentBytes, body.size);
      const { status, text } = await put({ url, headers, body, onProgress: tell, signal });
      if (status >= 300) throw fromHttpError(status, text);
      return present((await attachment.completeUpload({ attachmentId }, call)).attachment);
    },
    get: async (attachmentId) => present((await attachment.getAttachment({ attachmentId })).attachment),
  };
}
