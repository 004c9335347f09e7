import { create, fromBinary, fromJson, type JsonObject, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import type { Limits } from "../limits.js";
import { DomainError, ErrorReason, invalidField, tooLarge } from "./errors.js";

/** The stored form of free data, or null for none. Throws TOO_LARGE past the limits on size and depth. */
export function packStruct(limits: Limits, field: string, value: JsonObject | undefined): Buffer | null {
  if (value === undefined) return null;
  checkDepth(limits, field, value);
  const bytes = toBinary(StructSchema, fromJson(StructSchema, value));
  if (bytes.length > limits.structBytes) throw tooLarge(field, limits.structBytes, "bytes");
  return bytes.length === 0 ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Checks free data that is stored as part of something else. */
export function checkStruct(limits: Limits, field: string, value: JsonObject | undefined): void {
  packStruct(limits, field, value);
}

export function unpackStruct(bytes: Uint8Array | null): JsonObject {
  const struct = bytes === null ? create(StructSchema) : fromBinary(StructSchema, bytes);
  return toJson(StructSchema, struct) as JsonObject;
}

function checkDepth(limits: Limits, field: string, value: JsonValue, depth = 1): void {
  if (depth > limits.structDepth)
    throw new DomainError(ErrorReason.TOO_LARGE, `${field} is deeper than ${limits.structDepth} levels`, {
      field,
      metadata: { limit: String(limits.structDepth) },
    });
  // JSON has no way to say them, so a reader of JSON could never be told.
  if (typeof value === "number" && !Number.isFinite(value))
    throw invalidField(field, `${field} holds a number that is not finite`);
  if (Array.isArray(value)) for (const item of value) nested(limits, field, item, depth);
  else if (value !== null && typeof value === "object")
    for (const item of Object.values(value)) nested(limits, field, item, depth);
}

function nested(limits: Limits, field: string, value: JsonValue, depth: number): void {
  checkDepth(limits, field, value, value !== null && typeof value === "object" ? depth + 1 : depth);
}
