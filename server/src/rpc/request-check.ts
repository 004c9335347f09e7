import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { DomainError, invalidField } from "../domain/errors.js";
import { decodeRequest, malformed, parsed, tooLarge } from "./decode-request.js";

/** A request that was read, with the reason to refuse it when it cannot be understood. */
export interface CheckedRequest {
  request: UniversalServerRequest;
  refusal: DomainError | undefined;
}

const inflate = promisify(gunzip);
export const ENVELOPE_BYTES = 5;

/**
 * Reads a request before Connect does, which calls a malformed one an internal error and tells no detail. One that is refused is given on
 * with an empty message in its place, so that the refusal comes from the funnel and leaves in the protocol it came by.
 */
export async function checkRequest(
  request: UniversalServerRequest,
  method: DescMethod,
  requestBytes: number,
): Promise<CheckedRequest> {
  const version = request.header.get("connect-protocol-version");
  try {
    if (version !== null && version !== "1") throw invalidField("", `connect-protocol-version ${version} is not known`);
    if (request.method === "GET") return { request: checkQuery(request, method.input), refusal: undefined };
    return { request: await checkBody(request, method.input, requestBytes), refusal: undefined };
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return { request: emptied(request), refusal: error };
  }
}

function checkQuery(request: UniversalServerRequest, schema: DescMessage): UniversalServerRequest {
  const query = new URL(request.url).searchParams;
  const message = query.get("message") ?? "";
  // What is odd in another way is Connect's to refuse.
  if (query.has("compression")) return request;
  const bytes = query.get("base64") === "1" ? parsed(() => base64Decode(message)) : Buffer.from(message);
  decodeRequest(schema, query.get("encoding") === "json" ? "json" : "proto", bytes);
  return request;
}

async function checkBody(request: UniversalServerRequest, schema: DescMessage, requestBytes: number) {
  const type = request.header.get("content-type") ?? "";
  const enveloped = isEnveloped(type);
  const body = await readBody(request.body as AsyncIterable<Uint8Array>, requestBytes, enveloped ? ENVELOPE_BYTES : 0);
  const read = { ...request, body: once(body) };
  if (!/^application\/(proto|json|grpc|connect\+)/.test(type)) return read;
  // A stream that ends before its message is Connect's to refuse.
  if (enveloped && body.length < ENVELOPE_BYTES) return read;
  if (enveloped && body.readUInt32BE(1) > requestBytes) throw tooLarge(requestBytes);
  if (enveloped && body.length < ENVELOPE_BYTES + body.readUInt32BE(1)) throw malformed("the message is cut short");
  const message = enveloped ? body.subarray(ENVELOPE_BYTES, ENVELOPE_BYTES + body.readUInt32BE(1)) : body;
  const encoding = encodingOf(request, enveloped && ((body[0] ?? 0) & 1) === 0);
  if (encoding !== "gzip" && encoding !== "identity") return read;
  decodeRequest(
    schema,
    type.includes("json") ? "json" : "proto",
    encoding === "gzip" ? await inflated(message, requestBytes) : message,
  );
  return read;
}

function isEnveloped(type: string): boolean {
  return type.startsWith("application/grpc") || type.startsWith("application/connect+");
}

function encodingOf({ header }: UniversalServerRequest, plain: boolean): string {
  if (plain) return "identity";
  const names = ["content-encoding", "connect-content-encoding", "grpc-encoding"];
  return names.map((name) => header.get(name)).find((value) => value !== null) ?? "identity";
}

async function readBody(body: AsyncIterable<Uint8Array>, most: number, envelopeBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > most + envelopeBytes) throw tooLarge(most);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

async function inflated(bytes: Uint8Array, most: number): Promise<Uint8Array> {
  if (bytes.length === 0) return bytes;
  try {
    return await inflate(bytes, { maxOutputLength: most });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    throw code === "ERR_BUFFER_TOO_LARGE" ? tooLarge(most) : malformed("the gzip data is damaged");
  }
}

/** The same request with an empty message. */
function emptied(request: UniversalServerRequest): UniversalServerRequest {
  const header = new Headers(request.header);
  for (const name of ["content-encoding", "connect-content-encoding", "grpc-encoding", "content-length"])
    header.delete(name);
  // The refusal tells of it; Connect would tell in words of its own.
  header.delete("connect-protocol-version");
  if (request.method === "GET") {
    const url = new URL(request.url);
    url.search = "?connect=v1&encoding=proto&base64=1&message=";
    return { ...request, header, url: url.toString() };
  }
  const type = header.get("content-type") ?? "";
  const message = Buffer.from(type.includes("json") ? "{}" : "");
  if (!isEnveloped(type)) return { ...request, header, body: once(message) };
  const envelope = Buffer.alloc(ENVELOPE_BYTES);
  envelope.writeUInt32BE(message.length, 1);
  return { ...request, header, body: once(Buffer.concat([envelope, message])) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}
