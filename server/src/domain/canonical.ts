import { hash } from "node:crypto";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import { type SendMessageRequest, SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";

/**
 * The mark of what a send says, without its key: equal for two tries of one send whatever the order of their fields. 16 bytes.
 * Wishes for the push and everything else that is stored are part of it.
 */
export function payloadHash(request: SendMessageRequest): Buffer {
  const content = request.content;
  const plain = create(SendMessageRequestSchema, { ...request, clientMessageId: "" });
  delete plain.$unknown;
  if (request.attributes !== undefined) plain.attributes = sorted(request.attributes);
  const inner = content?.content;
  if (content !== undefined && (inner?.case === "custom" || inner?.case === "notice") && inner.value.data !== undefined)
    plain.content = {
      ...content,
      content: { ...inner, value: { ...inner.value, data: sorted(inner.value.data) } } as typeof inner,
    };
  return hashBytes(toBinary(SendMessageRequestSchema, plain, { writeUnknownFields: false }));
}

/** The first 16 bytes of SHA-256. */
export function hashBytes(bytes: Uint8Array): Buffer {
  return Buffer.from(hash("sha256", bytes, "hex").slice(0, 32), "hex");
}

function sorted(object: JsonObject): JsonObject {
  const entries = Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, value]) => [key, sortedValue(value)]));
}

function sortedValue(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sortedValue);
  return value !== null && typeof value === "object" ? sorted(value) : value;
}
