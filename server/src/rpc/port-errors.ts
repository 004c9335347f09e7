import type { ConnectError } from "@connectrpc/connect";
import { endStreamFlag, endStreamToJson, errorToJson } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { DomainError, ErrorReason } from "../domain/errors.js";
import type { PortError, PortErrors } from "../ports.js";
import { toConnectError, wireError } from "./errors.js";
import { requestIdOf } from "./request-id.js";

export interface PortErrorsOptions {
  newId(): string;
  urlBytes: number;
  headerBytes: number;
}

/** The answers that the port gives itself carry code and detail as those of every procedure do. */
export function createPortErrors({ newId, urlBytes, headerBytes }: PortErrorsOptions): PortErrors {
  const tooLarge = (message: string, limit: number) =>
    new DomainError(ErrorReason.TOO_LARGE, message, { metadata: { limit: String(limit) } });
  const told: Record<PortError, readonly [status: number, error: Error]> = {
    malformed: [400, new DomainError(ErrorReason.INVALID_FIELD, "this is no HTTP request")],
    no_page: [404, new DomainError(ErrorReason.NOT_FOUND, "no such page")],
    no_procedure: [404, new DomainError(ErrorReason.UNSUPPORTED, "no such procedure")],
    too_late: [408, new DomainError(ErrorReason.DEADLINE_EXCEEDED, "the request did not arrive in time")],
    url_too_long: [414, tooLarge(`the URL is longer than ${urlBytes} bytes`, urlBytes)],
    headers_too_large: [431, tooLarge("the headers are too large or too many", headerBytes)],
    internal: [500, new Error("the port's handler threw")],
  };
  return (name, { "content-type": contentType = "", "x-request-id": requestId }) => {
    const [status, cause] = told[name];
    const error = toConnectError(wireError(cause, requestIdOf(requestId, newId)));
    if (contentType.startsWith("application/grpc")) return grpcAnswer(contentType, error);
    if (contentType.startsWith("application/connect+")) return streamAnswer(contentType, error);
    const body = Buffer.from(JSON.stringify(errorToJson(error, undefined)));
    return { status, headers: { "content-type": "application/json" }, body };
  };
}

/** gRPC and gRPC-Web: an answer of nothing but headers, which holds the status. */
function grpcAnswer(contentType: string, error: ConnectError) {
  const trailers = new Headers();
  setTrailerStatus(trailers, error);
  return {
    status: 200,
    headers: { "content-type": contentType, ...Object.fromEntries(trailers) },
    body: new Uint8Array(),
  };
}

/** A stream of the Connect protocol: its last envelope holds the error. */
function streamAnswer(contentType: string, error: ConnectError) {
  const end = Buffer.from(JSON.stringify(endStreamToJson(new Headers(), error, undefined)));
  const head = Buffer.alloc(5);
  head.writeUInt8(endStreamFlag);
  head.writeUInt32BE(end.length, 1);
  return { status: 200, headers: { "content-type": contentType }, body: Buffer.concat([head, end]) };
}
