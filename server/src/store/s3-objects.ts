import { AwsClient } from "aws4fetch";
import type { Logger } from "../ops/logger.js";
import { StoreError } from "./errors.js";
import { S3Error } from "./s3-errors.js";

/** A bucket, and how to get at it. */
export interface S3Options {
  /** The address of the store; where its host begins with the bucket's name, that of the bucket. */
  endpoint: URL;
  bucket: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** The same as clients reach it, when they may. */
  publicUrl: URL | undefined;
  /** How long the store may take to answer, tries and all. */
  timeoutMs: number;
  /** How long nothing may move in the bytes of an answer. */
  stallMs: number;
  /** For tests: another first wait before a request is made again. */
  retryMs?: number;
  logger: Logger;
}

/** An object as a listing tells it. */
export interface S3Object {
  key: string;
  /** How long ago it was written, by the store's clock. */
  ageMs: number;
}

/** The objects of a bucket. A failure that passes is a StoreError "busy", a store without room "full", every other refusal an S3Error. Keys need no escaping. */
export interface S3Objects {
  put(key: string, body: Blob | Uint8Array, sha256: string): Promise<void>;
  /** Copies an object inside the store if it still is the one with that etag; false when it is not. What it was said to be stays behind. */
  copy(from: string, to: string, etag: string): Promise<boolean>;
  head(key: string): Promise<{ sizeBytes: number; etag: string } | undefined>;
  /** The bytes from `start` up to and without `end`. Bytes that are cut off end by an error. */
  get(key: string, start: number, end: number): Promise<AsyncIterable<Uint8Array> | undefined>;
  remove(key: string): Promise<void>;
  /** All objects below a prefix, a thousand at a time. */
  list(prefix: string): AsyncIterable<S3Object[]>;
  /** An address that lets whoever has it do one thing, by exactly these headers. */
  address(
    method: "GET" | "PUT",
    key: string,
    grant: { headers?: Record<string, string>; query?: Record<string, string>; lifeMs: number },
  ): Promise<string>;
}

/** How often an answer that passes (5xx, 429) is asked for again, and the first wait, which doubles. */
const RETRIES = 3;
const FIRST_RETRY_MS = 100;
/** What is stored says nothing of itself: the answer to each address does. */
const PLAIN = { "content-type": "application/octet-stream" };

interface Exchange {
  headers?: Record<string, string>;
  body?: RequestInit["body"];
  /** Statuses that are an answer, beside those of success. */
  expected?: readonly number[];
}

export function createS3Objects(options: S3Options): S3Objects {
  const { bucket, region, accessKeyId, secretAccessKey, timeoutMs, stallMs, logger } = options;
  const client = new AwsClient({
    accessKeyId,
    secretAccessKey,
    region,
    service: "s3",
    retries: RETRIES,
    initRetryMs: options.retryMs ?? FIRST_RETRY_MS,
  });
  const base = bucketUrl(options.endpoint, bucket);
  const publicBase = bucketUrl(options.publicUrl ?? options.endpoint, bucket);

  /** Makes a request and does something with its answer; both together may take `timeoutMs`. */
  const exchange = async <T>(
    method: string,
    target: string,
    { headers = {}, body = null, expected = [] }: Exchange,
    take: (response: Response, abort: AbortController) => Promise<T>,
  ): Promise<T> => {
    const what = `${method} /${target}`;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const request = () => client.fetch(`${base}/${target}`, { method, headers, body, signal: abort.signal });
    try {
      // The store may close a connection that lay idle at the very moment it is used: once more, then. Every request here is repeatable.
      const response = await request().catch((error: unknown) => {
        if (abort.signal.aborted) throw error;
        return request();
      });
      if (!response.ok && !expected.includes(response.status)) throw await refusalOf(what, response);
      return await take(response, abort);
    } catch (error) {
      const failure = error instanceof S3Error || error instanceof StoreError ? error : cutOff(error);
      if (failure instanceof StoreError) logger.warn({ err: error, request: what }, "the store of attachments failed");
      throw failure;
    } finally {
      clearTimeout(timer);
    }
  };

  const page = async (prefix: string, token: string | undefined) => {
    const query = new URLSearchParams({ "list-type": "2", prefix, "max-keys": "1000" });
    if (token !== undefined) query.set("continuation-token", token);
    return await exchange("GET", `?${query}`, {}, async (response) => {
      const nowMs = Date.parse(response.headers.get("date") ?? "");
      const text = await response.text();
      const objects = [...text.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, entry = ""]) => ({
        key: tagIn(entry, "Key"),
        ageMs: nowMs - Date.parse(tagIn(entry, "LastModified")),
      }));
      const next = tagIn(text, "NextContinuationToken");
      return { objects, next: tagIn(text, "IsTruncated") === "true" && next !== "" ? next : undefined };
    });
  };

  return {
    put: (key, body, sha256) =>
      exchange("PUT", key, { headers: { ...PLAIN, "x-amz-content-sha256": sha256 }, body }, drain),
    copy: (from, to, etag) =>
      exchange(
        "PUT",
        to,
        {
          headers: {
            ...PLAIN,
            "x-amz-copy-source": `/${bucket}/${from}`,
            "x-amz-copy-source-if-match": etag,
            "x-amz-metadata-directive": "REPLACE",
          },
          expected: [404, 412],
        },
        async (response) => {
          const text = await response.text();
          // A copy that fails late says so in an answer that began as a success.
          if (response.ok && !text.includes("CopyObjectResult"))
            throw new StoreError("busy", { cause: new Error(text) });
          return response.ok;
        },
      ),
    head: (key) =>
      exchange("HEAD", key, { expected: [404] }, async (response) => {
        await drain(response);
        const { headers } = response;
        if (!response.ok) return undefined;
        return { sizeBytes: Number(headers.get("content-length")), etag: headers.get("etag") ?? "" };
      }),
    get: (key, start, end) =>
      exchange(
        "GET",
        key,
        { headers: { range: `bytes=${start}-${end - 1}` }, expected: [404, 416] },
        async (response, abort) => {
          if (response.status === 206 && response.body !== null) return streamOf(response.body, stallMs, abort);
          await drain(response);
          if (response.status === 404) return undefined;
          // It begins behind the last byte.
          if (response.status === 416) return streamOf([], stallMs, abort);
          throw new S3Error(`GET /${key}: the store gave the whole where a part was asked for`, { final: true });
        },
      ),
    remove: (key) => exchange("DELETE", key, { expected: [404] }, drain),
    async *list(prefix) {
      for (let token: string | undefined; ; ) {
        const { objects, next } = await page(prefix, token);
        yield objects;
        if (next === undefined) break;
        token = next;
      }
    },
    async address(method, key, { headers = {}, query = {}, lifeMs }) {
      const url = new URL(`${publicBase}/${key}`);
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      url.searchParams.set("X-Amz-Expires", String(Math.max(1, Math.ceil(lifeMs / 1000))));
      const signed = await client.sign(url, { method, headers, aws: { signQuery: true, allHeaders: true } });
      // A blank is signed as %20, which not every store reads in a plus.
      return signed.url.replaceAll("+", "%20");
    },
  };
}

/** The address of a bucket, without a slash at its end. */
function bucketUrl(endpoint: URL, bucket: string): string {
  const url = endpoint.href.replace(/\/+$/, "");
  return endpoint.hostname.startsWith(`${bucket}.`) ? url : `${url}/${bucket}`;
}

async function drain(response: Response): Promise<void> {
  await response.arrayBuffer();
}

async function refusalOf(what: string, response: Response): Promise<Error> {
  const { status } = response;
  const error = new S3Error(`${what}: ${status} ${tagIn(await response.text(), "Code")}`.trim(), { final: true });
  if (status === 507) return new StoreError("full", { cause: error });
  return status >= 500 || status === 429 ? new StoreError("busy", { cause: error }) : error;
}

function cutOff(error: unknown): StoreError {
  return new StoreError("busy", { cause: error });
}

/** Bytes that end by an error when nothing has moved for too long, whether the store gives none or nobody takes them. */
function streamOf(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  stallMs: number,
  abort: AbortController,
): AsyncIterable<Uint8Array> {
  const timer = setTimeout(() => abort.abort(new Error(`nothing moved for ${stallMs} ms`)), stallMs);
  timer.unref();
  return (async function* () {
    try {
      for await (const chunk of body) {
        timer.refresh();
        yield chunk;
        timer.refresh();
      }
    } catch (error) {
      throw cutOff(error);
    } finally {
      clearTimeout(timer);
      // Whoever stops reading wants no more of it.
      abort.abort();
    }
  })();
}

/** What stands in the first element of a name. */
function tagIn(xml: string, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? "";
}
