import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

/** Merges a patch into free data (RFC 7396): null removes, objects merge key by key, all else replaces. Neither is changed. */
export function merge(old: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map<string, JsonValue>(Object.entries(old));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else if (isObject(value)) merged.set(key, merge(objectOr(merged.get(key)), value));
    else merged.set(key, value);
  }
  // It defines keys and never sets them, so none can reach a prototype.
  return Object.fromEntries(merged);
}

const isObject = (value: JsonValue): value is JsonObject =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const objectOr = (value: JsonValue | undefined): JsonObject => (value !== undefined && isObject(value) ? value : {});
