import { once } from "node:events";
import http2 from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { AnySchema, anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { type ErrorDetail, ErrorDetailSchema, ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { envelope, envelopes } from "../support/envelopes.js";

/** The ways to make a unary call, byte by byte. */
export const protocols = ["connect", "grpc", "grpc-web"] as const;
export type Protocol = (typeof protocols)[number];
export type Codec = "proto" | "json";

/** What came back, alike for every protocol. */
export interface Answer {
  /** `ok`, the name of a Connect code, or `HTTP 415` when no RPC answered. */
  code: string;
  reason: string | undefined;
  field: string | undefined;
  message: string;
  detail?: ErrorDetail | undefined;
}

export interface WireCall {
  url: string;
  /** Such as parley.v1.AuthService/Login. */
  method: string;
  codec: Codec;
  /** The message, or with `raw` the body as it goes out. */
  body: Uint8Array | string;
  raw?: boolean;
  headers?: Record<string, string>;
}

/** An answer that takes longer is none. */
const DEADLINE_MS = 10_000;

export type Wire = (call: WireCall) => Promise<Answer>;

export const wires: Record<Protocol, Wire> = {
  async connect(call) {
    const response = await post(call, `application/${call.codec}`, Buffer.from(call.body));
    const text = await response.text();
    if (response.ok) return answer("ok", "");
    return connectError(response.status, text);
  },

  async "grpc-web"(call) {
    const body = call.raw ? Buffer.from(call.body) : envelope(call.body);
    const response = await post(call, `application/grpc-web+${call.codec}`, body);
    const frames = envelopes(Buffer.from(await response.arrayBuffer()));
    const trailers = new Map(response.headers);
    const lines = frames.find(({ flags }) => flags === 0x80)?.data.toString("latin1") ?? "";
    for (const line of lines.split("\r\n").filter(Boolean)) {
      const [name = "", value = ""] = line.split(/: ?(.*)/s);
      trailers.set(name.toLowerCase(), value);
    }
    return grpcAnswer(response.status, (name) => trailers.get(name));
  },

  async grpc(call) {
    const session = sessionTo(call.url);
    const stream = session.request({
      ":method": "POST",
      ":path": `/${call.method}`,
      "content-type": `application/grpc+${call.codec}`,
      te: "trailers",
      ...call.headers,
    });
    const got: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
    stream.on("response", (headers) => Object.assign(got, headers));
    stream.on("trailers", (headers) => Object.assign(got, headers));
    stream.on("error", (error) => Object.assign(got, { "grpc-message": String(error) }));
    stream.setTimeout(DEADLINE_MS, () => stream.destroy(new Error("no answer in time")));
    stream.resume().end(call.raw ? call.body : envelope(call.body));
    // A server that has answered need not read the rest of the request.
    await Promise.race([once(stream, "end"), once(stream, "close")]);
    stream.close();
    return grpcAnswer(got[":status"] ?? 0, (name) => got[name]?.toString());
  },
};

const sessions = new Map<string, http2.ClientHttp2Session>();

/** The open connection to a server; it does not keep the process. */
function sessionTo(url: string): http2.ClientHttp2Session {
  const open = sessions.get(url);
  if (open !== undefined && !open.closed && !open.destroyed) return open;
  const session = http2.connect(url);
  session.on("error", () => undefined).unref();
  sessions.set(url, session);
  return session;
}

/** A stream of the Connect protocol that must end by itself. */
export async function connectStream(call: WireCall): Promise<Answer> {
  const body = call.raw ? Buffer.from(call.body) : envelope(call.body);
  const response = await post(call, `application/connect+${call.codec}`, body);
  const end = envelopes(Buffer.from(await response.arrayBuffer())).find(({ flags }) => flags === 2);
  if (end === undefined) return answer(`HTTP ${response.status}`, "");
  const { error } = JSON.parse(end.data.toString()) as { error?: ConnectErrorJson };
  return error === undefined ? answer("ok", "") : fromConnectJson(error);
}

function post({ url, method, headers }: WireCall, contentType: string, body: Buffer): Promise<Response> {
  return fetch(`${url}/${method}`, {
    method: "POST",
    headers: { "content-type": contentType, ...headers },
    body: new Uint8Array(body),
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
}

interface ConnectErrorJson {
  code: string;
  message?: string;
  details?: { type: string; value: string }[];
}

/** What an unsuccessful answer of the Connect protocol tells. */
export function connectError(status: number, text: string): Answer {
  try {
    return fromConnectJson(JSON.parse(text) as ConnectErrorJson);
  } catch {
    return answer(`HTTP ${status}`, text);
  }
}

function fromConnectJson({ code, message = "", details = [] }: ConnectErrorJson): Answer {
  const detail = details.find(({ type }) => type === ErrorDetailSchema.typeName);
  return answer(
    code,
    message,
    detail && fromBinary(ErrorDetailSchema, new Uint8Array(Buffer.from(detail.value, "base64"))),
  );
}

function grpcAnswer(status: number, header: (name: string) => string | undefined): Answer {
  const code = header("grpc-status");
  if (code === undefined) return answer(`HTTP ${status}`, header("grpc-message") ?? "");
  const message = decodeURIComponent(header("grpc-message") ?? "");
  const details = header("grpc-status-details-bin");
  return answer(codeName(Number(code)), message, details === undefined ? undefined : statusDetail(details));
}

function codeName(code: number): string {
  if (code === 0) return "ok";
  return (Code[code] ?? `code ${code}`).replace(/(?<=.)[A-Z]/g, "_$&").toLowerCase();
}

/** The ErrorDetail in a google.rpc.Status, whose field 3 holds the details. */
function statusDetail(base64: string): ErrorDetail | undefined {
  const reader = new BinaryReader(new Uint8Array(Buffer.from(base64, "base64")));
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field !== 3) reader.skip(type, field);
    else {
      const detail = anyUnpack(fromBinary(AnySchema, reader.bytes()), ErrorDetailSchema);
      if (detail !== undefined) return detail;
    }
  }
  return undefined;
}

function answer(code: string, message: string, detail?: ErrorDetail): Answer {
  return { code, message, reason: detail && ErrorReason[detail.reason], field: detail?.field, detail };
}
