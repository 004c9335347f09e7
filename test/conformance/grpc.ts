import { join } from "node:path";
import {
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from "@grpc/proto-loader";
import type { TestServer } from "../support/index.js";
import { root } from "./programs.js";
import { exportProtos } from "./protos.js";

const loading = { enums: String, longs: String, oneofs: true, defaults: true } as const;

/** What proto-loader makes of messages: plain objects. */
export type Plain = { [field: string]: unknown };
/** A stub as grpc-js makes it. */
export type Stub = InstanceType<ServiceClientConstructor>;

interface AnyValue {
  type_url: string;
  value: Buffer;
}

export interface GrpcFailure {
  code: number;
  message: string;
  detail: { reason: string; retryable: boolean; field: string; metadata: Record<string, string> };
}

/** grpc-js with the protos loaded at run time, as its guide does it. */
export async function loadGrpc() {
  const files = ["auth", "friend", "history", "message", "server"].map((name) => `parley/v1/${name}_service.proto`);
  const definition = loadSync([...files, "parley/v1/error_detail.proto", "grpc/health/v1/health.proto"], {
    ...loading,
    includeDirs: [join(root, "proto"), await exportProtos()],
  });
  const status = loadSync("google/rpc/status.proto", { ...loading, includeDirs: [import.meta.dirname] });
  const loaded = loadPackageDefinition(definition);

  return {
    /** A stub of a service, such as parley.v1.AuthService. */
    stub(server: Pick<TestServer, "url">, service: string): Stub {
      const found = service.split(".").reduce<unknown>((scope, name) => (scope as Plain)[name], loaded);
      return new (found as ServiceClientConstructor)(new URL(server.url).host, credentials.createInsecure());
    },
    /** What a failed call told. */
    failure(error: ServiceError): GrpcFailure {
      const [bytes] = error.metadata.get("grpc-status-details-bin");
      const { details } = decode<{ details: AnyValue[] }>(status, "google.rpc.Status", bytes as Buffer);
      const detail = details.find((each) => each.type_url.endsWith("/parley.v1.ErrorDetail"));
      if (detail === undefined) throw new Error(`a failure without an ErrorDetail: ${error.message}`);
      return {
        code: error.code,
        message: error.details,
        detail: decode(definition, "parley.v1.ErrorDetail", detail.value),
      };
    },
  };
}

function decode<T>(from: PackageDefinition, type: string, bytes: Buffer): T {
  return (from[type] as MessageTypeDefinition<object, object>).deserialize(bytes) as T;
}

export function bearer(token: string): Metadata {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

type Unary = (
  request: Plain,
  metadata: Metadata,
  callback: (error: ServiceError | null, answer?: Plain) => void,
) => { on(event: "metadata", listener: (metadata: Metadata) => void): unknown };

/** A unary call; `onHeaders` sees the response's metadata. */
export function call<T = Plain>(
  stub: Stub,
  method: string,
  request: Plain,
  metadata = new Metadata(),
  onHeaders: (metadata: Metadata) => void = () => undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const unary = (stub[method] as Unary).bind(stub);
    unary(request, metadata, (error, answer) => (error ? reject(error) : resolve(answer as T))).on(
      "metadata",
      onHeaders,
    );
  });
}

/** A frame of Subscribe as grpc-js gives it: `frame` names the case. */
export interface GrpcFrame {
  frame: string;
  event?: { cursor: string; event: string; messageCreated?: { message: { content: { text: { text: string } } } } };
  caughtUp?: { cursor: string };
  started?: { sessionId: string; resumed: boolean; cursor: string };
  heartbeat?: { cursor: string };
}

/** Opens Subscribe and keeps all that comes. */
export function subscribeGrpc(stub: Stub, request: Plain, metadata: Metadata) {
  type Subscribe = (request: Plain, metadata: Metadata) => ClientReadableStream<GrpcFrame>;
  const stream = (stub.subscribe as Subscribe).bind(stub)(request, metadata);
  const frames: GrpcFrame[] = [];
  const end: { status?: number; error?: ServiceError } = {};
  stream.on("data", (frame: GrpcFrame) => frames.push(frame));
  stream.on("error", (error: ServiceError) => (end.error = error));
  stream.on("status", ({ code }: { code: number }) => (end.status = code));
  return { stream, frames, end };
}

export const textOf = (frame: GrpcFrame | undefined) => frame?.event?.messageCreated?.message.content.text.text;
