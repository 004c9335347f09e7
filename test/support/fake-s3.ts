import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Settings } from "@parley/server";
import { type S3Fault, sha256, signatureFault } from "./sigv4.js";

/** A request as the store gets it, whose signature is right. */
export interface S3Request {
  method: string;
  /** Of the object; empty for the bucket. */
  key: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  /** The key that is copied from. */
  copyFrom: string | undefined;
}

/** What the store does instead of answering right. */
export type S3Trouble =
  | S3Fault
  /** It never answers. */
  | "hang"
  /** It breaks the connection without an answer. */
  | "reset"
  /** It does what is asked and then breaks the connection; of an object that is got half comes before. */
  | "cut"
  /** It stops in the middle of an object that is got, and goes no further. */
  | "stall"
  /** It says that a copy succeeds and then that it has failed. */
  | "late_failure";

interface StoredObject {
  body: Buffer;
  contentType: string;
  etag: string;
  modifiedMs: number;
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: Buffer;
  trouble?: S3Trouble | undefined;
}

const NO_KEY: S3Fault = { status: 404, code: "NoSuchKey" };

/** A store of our own with one bucket, in memory. It refuses what Amazon's would refuse. */
export interface FakeS3 extends AsyncDisposable {
  /** For a server that may use it. */
  settings: NonNullable<Settings["s3"]>;
  readonly objects: Map<string, StoredObject>;
  /** What came with a good signature, in order. */
  readonly requests: S3Request[];
  /** Answers that are not all sent. */
  readonly busyConnections: number;
  /** Says what goes wrong with each request from now on. */
  script(trouble: (request: S3Request) => S3Trouble | undefined): void;
  /** Makes all objects older. */
  age(ms: number): void;
  close(): Promise<void>;
}

export async function startFakeS3({ mostKeys = 1000 }: { mostKeys?: number } = {}): Promise<FakeS3> {
  const key = { accessKeyId: "AKIATESTKEY", secretAccessKey: "test/secret+key", region: "test-region-1" };
  const bucket = "parley-test";
  const objects: FakeS3["objects"] = new Map();
  const requests: S3Request[] = [];
  let script: Parameters<FakeS3["script"]>[0] = () => undefined;

  const answer = async (incoming: IncomingMessage): Promise<Answer> => {
    const fault = signatureFault(incoming, key);
    if (fault !== undefined) return refusal(fault);
    const url = new URL(incoming.url ?? "", "http://fake");
    const [, inBucket, name = ""] = /^\/([^/]+)\/?(.*)$/.exec(url.pathname) ?? [];
    if (inBucket !== bucket) return refusal({ status: 404, code: "NoSuchBucket" });
    const source = incoming.headers["x-amz-copy-source"];
    const copyFrom = typeof source === "string" ? source.replace(`/${bucket}/`, "") : undefined;
    const { method = "", headers } = incoming;
    const request: S3Request = { method, key: name, query: url.searchParams, headers, copyFrom };
    requests.push(request);
    const trouble = script(request);
    if (typeof trouble === "object") return refusal(trouble);
    if (trouble === "hang" || trouble === "reset") return { status: 0, trouble };
    if (trouble === "late_failure") return { ...refusal({ status: 500, code: "InternalError" }), status: 200 };
    return { ...(await act(request, incoming)), trouble };
  };

  const act = async (request: S3Request, incoming: IncomingMessage): Promise<Answer> => {
    const { method, key: name, copyFrom } = request;
    if (name === "" && method === "GET") return list(request);
    if (method === "PUT") return copyFrom === undefined ? await put(request, incoming) : copy(request, copyFrom);
    if (method === "GET" || method === "HEAD") return get(request);
    if (method !== "DELETE") return refusal({ status: 405, code: "MethodNotAllowed" });
    objects.delete(name);
    return { status: 204 };
  };

  const put = async ({ key: name, headers }: S3Request, incoming: IncomingMessage): Promise<Answer> => {
    if (headers["content-length"] === undefined) return refusal({ status: 411, code: "MissingContentLength" });
    const body = await buffer(incoming);
    const declared = headers["x-amz-content-sha256"];
    if (declared !== undefined && declared !== "UNSIGNED-PAYLOAD" && declared !== sha256(body))
      return refusal({ status: 400, code: "XAmzContentSHA256Mismatch" });
    store(name, body, headers["content-type"]);
    return { status: 200 };
  };

  const copy = ({ key: name, headers }: S3Request, from: string): Answer => {
    const found = objects.get(from);
    if (found === undefined) return refusal(NO_KEY);
    const wanted = headers["x-amz-copy-source-if-match"];
    if (wanted !== undefined && wanted !== found.etag) return refusal({ status: 412, code: "PreconditionFailed" });
    const replaced = headers["x-amz-metadata-directive"] === "REPLACE";
    store(name, found.body, replaced ? headers["content-type"] : found.contentType);
    return { status: 200, body: Buffer.from("<CopyObjectResult><ETag>x</ETag></CopyObjectResult>") };
  };

  const get = ({ key: name, query, headers }: S3Request): Answer => {
    const found = objects.get(name);
    if (found === undefined) return refusal(NO_KEY);
    const { body, contentType, etag } = found;
    const [range, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
    const start = Number(from ?? 0);
    if (range !== undefined && start >= body.length) return refusal({ status: 416, code: "InvalidRange" });
    const end = to === undefined || to === "" ? body.length : Math.min(Number(to) + 1, body.length);
    return {
      status: range === undefined ? 200 : 206,
      headers: {
        etag,
        "content-type": query.get("response-content-type") ?? contentType,
        ...(range !== undefined && { "content-range": `bytes ${start}-${end - 1}/${body.length}` }),
        ...override(query, "content-disposition"),
        ...override(query, "cache-control"),
      },
      body: body.subarray(start, end),
    };
  };

  const list = ({ query }: S3Request): Answer => {
    const after = query.get("continuation-token") ?? "";
    const most = Math.min(Number(query.get("max-keys") ?? 1000), mostKeys);
    const keys = [...objects.keys()].filter((name) => name.startsWith(query.get("prefix") ?? "")).sort();
    const left = keys.filter((name) => name > after);
    const page = left.slice(0, most);
    const entries = page.map((name) => {
      const modified = new Date(objects.get(name)?.modifiedMs ?? 0).toISOString();
      return `<Contents><Key>${name}</Key><LastModified>${modified}</LastModified><Size>1</Size></Contents>`;
    });
    const more = left.length > page.length;
    const next = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "";
    const xml = `<ListBucketResult><IsTruncated>${more}</IsTruncated>${next}${entries.join("")}</ListBucketResult>`;
    return { status: 200, body: Buffer.from(xml) };
  };

  const store = (name: string, body: Buffer, contentType = "binary/octet-stream"): void => {
    const etag = `"${createHash("md5").update(body).digest("hex")}"`;
    objects.set(name, { body, contentType, etag, modifiedMs: Date.now() });
  };

  const answers = new Set<ServerResponse>();
  const server = createServer((incoming, response) => {
    answers.add(response);
    response.on("close", () => answers.delete(response));
    void answer(incoming).then((told) => write(incoming, response, told));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    settings: { ...key, endpoint, bucket, publicUrl: undefined },
    objects,
    requests,
    get busyConnections() {
      return answers.size;
    },
    script(trouble) {
      script = trouble;
    },
    age(ms) {
      for (const object of objects.values()) object.modifiedMs -= ms;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function override(query: URLSearchParams, name: string): Record<string, string> {
  const value = query.get(`response-${name}`);
  return value === null ? {} : { [name]: value };
}

function refusal({ status, code }: S3Fault): Answer {
  return { status, body: Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`) };
}

function write(incoming: IncomingMessage, response: ServerResponse, { status, headers, body, trouble }: Answer): void {
  incoming.resume();
  const whole = body ?? Buffer.alloc(0);
  const isGet = incoming.method === "GET";
  if (trouble === "hang") return;
  if (trouble === "reset" || (trouble === "cut" && !isGet)) {
    response.socket?.resetAndDestroy();
    return;
  }
  response.writeHead(status, { ...headers, "content-length": whole.length });
  if (trouble === undefined) response.end(incoming.method === "HEAD" ? undefined : whole);
  else
    response.write(whole.subarray(0, whole.length / 2), () => {
      if (trouble === "cut") response.socket?.resetAndDestroy();
    });
}
