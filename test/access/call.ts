import { type DescMethod, fromBinary, type JsonObject } from "@bufbuild/protobuf";
import { ErrorDetailSchema, ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { SERVICES } from "../../server/src/rpc/router.js";
import { envelope, envelopes } from "../support/envelopes.js";

/** Who makes a call: the headers that prove it. */
export type Credentials = Readonly<Record<string, string>>;

/** What a call answered: an answer, or a refusal in all its parts. */
export type Answer =
  | { ok: true; body: JsonObject }
  | {
      ok: false;
      code: string;
      reason: string;
      field: string;
      message: string;
      requestId: string;
      metadata: Record<string, string>;
      retryDelayMs: number;
    };

export const bearer = (token: string): Credentials => ({ authorization: `Bearer ${token}` });

/** Every RPC of the contract by its name, such as GroupService/CreateGroup. */
export const METHODS: ReadonlyMap<string, DescMethod> = new Map(
  SERVICES.flatMap((service) => service.methods.map((method) => [nameOf(method), method])),
);

function nameOf(method: DescMethod): string {
  return `${method.parent.name}/${method.name}`;
}

/** Makes a call with a request in JSON, which may be any text. Of a stream, the answer is its first frame; one that ends by itself is read to its end. */
export async function call(
  url: string,
  method: DescMethod,
  request: JsonObject | string,
  headers: Credentials = {},
): Promise<Answer> {
  const streaming = method.methodKind === "server_streaming";
  const text = Buffer.from(typeof request === "string" ? request : JSON.stringify(request));
  const abort = new AbortController();
  const response = await fetch(`${url}/${method.parent.typeName}/${method.name}`, {
    method: "POST",
    headers: { "content-type": streaming ? "application/connect+json" : "application/json", ...headers },
    body: new Uint8Array(streaming ? envelope(text) : text),
    signal: abort.signal,
  });
  if (!streaming) return response.ok ? ofOne(await response.json()) : refusalOf(await response.json());
  try {
    return await firstFrame(response, method.name !== "Subscribe");
  } finally {
    abort.abort();
  }
}

/** An answer; of a SendMessages with one message, what became of that one. */
function ofOne(body: JsonObject): Answer {
  const results = body.results as { error?: { code: string; message: string; detail: DetailJson } }[] | undefined;
  const error = results?.length === 1 ? results[0]?.error : undefined;
  if (error === undefined) return { ok: true, body };
  const {
    reason = "ERROR_REASON_UNSPECIFIED",
    field = "",
    metadata: { request_id: requestId = "", ...metadata } = {},
  } = error.detail;
  const { code, message } = error;
  return {
    ok: false,
    code,
    reason: reason.replace("ERROR_REASON_", ""),
    field,
    message,
    requestId,
    metadata,
    retryDelayMs: 0,
  };
}

interface DetailJson {
  reason?: string;
  field?: string;
  metadata?: Record<string, string>;
}

async function firstFrame(response: Response, ends: boolean): Promise<Answer> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of response.body ?? []) {
    bytes = Buffer.concat([bytes, chunk as Uint8Array]);
    if (!ends && framesOf(bytes).length > 0) break;
  }
  const frames = framesOf(bytes);
  const failed = frames.find(({ error }) => error !== undefined);
  if (failed !== undefined) return refusalOf(failed.error);
  if (frames[0] === undefined) throw new Error("the stream ended without a frame");
  return { ok: true, body: frames[0] };
}

function framesOf(bytes: Buffer): JsonObject[] {
  return envelopes(bytes).map(({ data }) => JSON.parse(data.toString()) as JsonObject);
}

function refusalOf(json: unknown): Answer {
  const {
    code,
    message = "",
    details = [],
  } = json as {
    code: string;
    message?: string;
    details?: { type: string; value: string }[];
  };
  const packed = details.find(({ type }) => type === "parley.v1.ErrorDetail");
  if (packed === undefined) throw new Error(`a refusal without an ErrorDetail: ${JSON.stringify(json)}`);
  const detail = fromBinary(ErrorDetailSchema, Buffer.from(packed.value, "base64"));
  const { request_id: requestId = "", ...metadata } = detail.metadata;
  const { seconds, nanos } = detail.retryDelay ?? { seconds: 0n, nanos: 0 };
  const retryDelayMs = Number(seconds) * 1000 + nanos / 1e6;
  return {
    ok: false,
    code,
    reason: ErrorReason[detail.reason],
    field: detail.field,
    message,
    requestId,
    metadata,
    retryDelayMs,
  };
}
