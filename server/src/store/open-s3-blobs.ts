import { createHash, randomUUID } from "node:crypto";
import type { BlobStore } from "../ports.js";
import { StoreError } from "./errors.js";
import { createS3Blobs } from "./s3-blobs.js";
import { S3Error } from "./s3-errors.js";
import { createS3Objects, type S3Objects, type S3Options } from "./s3-objects.js";
import { createSpool } from "./spool.js";

export interface S3BlobsOfOptions extends S3Options {
  dataDir: string;
  spareMs: number;
}

export interface OpenS3BlobsOptions extends S3BlobsOfOptions {
  /** The same on all nodes of one Parley, and on no other. */
  mark: string;
}

/** The object that says whose the bucket is. */
const OWNER = "owner";
const MOST_BYTES = 1024;

/**
 * Opens the store of attachments on S3. Throws an S3Error when the bucket cannot be used, or belongs to another Parley: what the one does not know, its
 * sweep would remove of the other.
 */
export async function openS3Blobs({ mark, ...options }: OpenS3BlobsOptions): Promise<BlobStore> {
  const { objects, spool, blobs } = join(options);
  try {
    await tryOut(objects);
    await own(objects, mark);
  } catch (error) {
    throw startFailure(error, options);
  }
  await spool.clear();
  return blobs;
}

/** The same for whoever only looks: nothing is tried out, written or cleared. */
export function lookAtS3Blobs(options: S3BlobsOfOptions): Pick<BlobStore, "size"> {
  return join(options).blobs;
}

function join({ dataDir, spareMs, ...options }: S3BlobsOfOptions) {
  const objects = createS3Objects(options);
  const spool = createSpool(dataDir);
  return { objects, spool, blobs: createS3Blobs({ objects, spool, spareMs, direct: options.publicUrl !== undefined }) };
}

/** Writes, lists, reads and removes an object: the rights that are needed. */
async function tryOut(objects: S3Objects): Promise<void> {
  const key = `probe/${randomUUID()}`;
  await write(objects, key, key);
  const found: string[] = [];
  for await (const page of objects.list("probe/")) found.push(...page.map((object) => object.key));
  if (!found.includes(key) || (await textOf(objects, key)) !== key)
    throw new S3Error("an object that was written is not there to be listed and read", { final: true });
  await objects.remove(key);
}

async function own(objects: S3Objects, mark: string): Promise<void> {
  const found = await textOf(objects, OWNER);
  if (found === undefined) return await write(objects, OWNER, mark);
  if (found !== mark)
    throw new S3Error(
      `another Parley, with another secret key, keeps its attachments there (if that is this one, remove the object "${OWNER}")`,
      { final: true },
    );
}

async function write(objects: S3Objects, key: string, text: string): Promise<void> {
  await objects.put(key, Buffer.from(text), createHash("sha256").update(text).digest("hex"));
}

async function textOf(objects: S3Objects, key: string): Promise<string | undefined> {
  const bytes = await objects.get(key, 0, MOST_BYTES);
  if (bytes === undefined) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** The failure with the settings' names. */
function startFailure(error: unknown, { bucket, endpoint }: S3Options): unknown {
  if (error instanceof S3Error)
    return new S3Error(`the bucket of PARLEY_S3_BUCKET, ${bucket}, cannot be used: ${error.message}`, { final: true });
  if (!(error instanceof StoreError)) return error;
  // Of a connection that failed only the cause of the cause says why.
  const { cause } = error;
  const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const told = reason instanceof Error ? reason.message : error.message;
  const text = `the store of PARLEY_S3_ENDPOINT, ${endpoint.origin}, cannot be had just now: ${told}`;
  return new S3Error(text, { final: false, cause: error });
}
