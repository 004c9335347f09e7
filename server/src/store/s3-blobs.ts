import { createHash } from "node:crypto";
import { openAsBlob } from "node:fs";
import type { BlobName, BlobPart, BlobStore, DirectBlobs } from "../ports.js";
import { blobPlace, idInName } from "./blob-place.js";
import type { S3Object, S3Objects } from "./s3-objects.js";
import type { Spool } from "./spool.js";

/** Uploads are addressed from outside when clients may, so they lie where nothing is served from. */
const UPLOADS = "uploads/";
const CLAIMED = "attachments/";
const SUFFIXES = { original: "", thumbnail: ".thumbnail" } as const;
const ASKED = 200;
const AT_ONCE = 8;
const MOST_CLAIMS = 5;

export interface S3BlobsOptions {
  objects: S3Objects;
  spool: Spool;
  /** Nothing younger is swept: longer than an upload may lie before it is claimed. */
  spareMs: number;
  /** Whether clients may be sent to the store itself. */
  direct: boolean;
}

const uploadKey = (name: BlobName): string => UPLOADS + blobPlace(name);

/** The key of what is claimed. */
export function s3Key(name: BlobName, part: BlobPart): string {
  return `${CLAIMED}${blobPlace(name)}${SUFFIXES[part]}`;
}

/**
 * Keeps the bytes of attachments in objects that all nodes share. What comes lies on this machine first: the store wants the length and the hash before the
 * bytes, closes connections whose client is slow, and asks for a request again when it is busy.
 */
export function createS3Blobs({ objects, spool, spareMs, direct }: S3BlobsOptions): BlobStore {
  const isOld = ({ ageMs }: S3Object): boolean => ageMs >= spareMs;
  const removeAll = async (keys: readonly string[]): Promise<number> => {
    for (let at = 0; at < keys.length; at += AT_ONCE)
      await Promise.all(keys.slice(at, at + AT_ONCE).map((key) => objects.remove(key)));
    return keys.length;
  };
  const sizeOf = async (name: BlobName, part: BlobPart) => (await objects.head(s3Key(name, part)))?.sizeBytes;

  return {
    receive: (name, bytes, sizeBytes) =>
      spool.hold(bytes, sizeBytes, async (path, sha256) =>
        objects.put(uploadKey(name), await openAsBlob(path), sha256),
      ),
    async claim(name) {
      const [upload, original] = [uploadKey(name), s3Key(name, "original")];
      // Again when another upload has taken its place meanwhile, and also after a crash between the copy and the removal. What is put between these
      // two goes: only by a client that puts while it completes, which is told that the bytes are others if they matter to it.
      for (let tries = 0; tries < MOST_CLAIMS; tries += 1) {
        const found = await objects.head(upload);
        if (found === undefined) break;
        if (!(await objects.copy(upload, original, found.etag))) continue;
        await objects.remove(upload);
        break;
      }
      return await sizeOf(name, "original");
    },
    putThumbnail: (name, bytes) =>
      objects.put(s3Key(name, "thumbnail"), bytes, createHash("sha256").update(bytes).digest("hex")),
    async read(name, part, start, end) {
      if (start < end) return await objects.get(s3Key(name, part), start, end);
      return (await sizeOf(name, part)) === undefined ? undefined : (async function* () {})();
    },
    size: sizeOf,
    async withFile(name, work) {
      const sizeBytes = (await sizeOf(name, "original")) ?? 0;
      const bytes = await objects.get(s3Key(name, "original"), 0, Math.max(sizeBytes, 1));
      if (bytes === undefined) throw new Error("the original is not there");
      return await spool.hold(bytes, sizeBytes, work);
    },
    async remove(name) {
      await removeAll([uploadKey(name), s3Key(name, "thumbnail"), s3Key(name, "original")]);
    },
    async sweep(known) {
      let removed = 0;
      // Of no use by now, whatever the record says: it was claimed, or its time was over.
      for await (const page of objects.list(UPLOADS))
        removed += await removeAll(page.filter(isOld).map(({ key }) => key));
      for await (const page of objects.list(CLAIMED)) {
        for (const [appId, keys] of byApp(page.filter(isOld)))
          for (let at = 0; at < keys.length; at += ASKED) {
            const some = keys.slice(at, at + ASKED);
            const kept = await known(appId, [...new Set(some.map(idInKey))]);
            removed += await removeAll(some.filter((key) => !kept.has(idInKey(key))));
          }
      }
      return removed;
    },
    direct: direct ? addresses(objects) : undefined,
  };
}

function addresses({ address }: S3Objects): DirectBlobs {
  return {
    putAddress: (name, { sizeBytes, contentType, lifeMs }) =>
      address("PUT", uploadKey(name), {
        headers: { "content-length": String(sizeBytes), "content-type": contentType },
        lifeMs,
      }),
    getAddress: (name, part, { contentType, disposition, lifeMs }) =>
      address("GET", s3Key(name, part), {
        query: {
          "response-content-type": contentType,
          "response-content-disposition": disposition,
          "response-cache-control": `private, max-age=${Math.floor(lifeMs / 1000)}`,
        },
        lifeMs,
      }),
  };
}

/** Keys as this server writes them, by their app; others are nobody's here, and stay. */
function byApp(objects: readonly S3Object[]): Map<string, string[]> {
  const apps = new Map<string, string[]>();
  for (const { key } of objects) {
    const [, appId] = /^attachments\/([\w-]+)\/[\w-]+\/[\w-]+(\.thumbnail)?$/.exec(key) ?? [];
    if (appId === undefined) continue;
    const keys = apps.get(appId);
    if (keys === undefined) apps.set(appId, [key]);
    else keys.push(key);
  }
  return apps;
}

function idInKey(key: string): string {
  return idInName(key.slice(key.lastIndexOf("/") + 1));
}
