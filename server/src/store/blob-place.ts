import type { BlobName } from "../ports.js";

const SAFE = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * Where the bytes of an attachment lie, on a disk and on S3 alike, so that one can be copied to the other: a folder for each app, in it one for each end
 * of an id. Ids that could lead elsewhere are refused.
 */
export function blobPlace({ appId, attachmentId }: BlobName): string {
  if (!SAFE.test(appId) || !SAFE.test(attachmentId)) throw new Error("an id that cannot be the name of a file");
  return `${appId}/${attachmentId.slice(-2)}/${attachmentId}`;
}

/** The id in the name of a file: what stands before its first dot. */
export function idInName(file: string): string {
  return file.split(".", 1)[0] ?? "";
}
