import type { JsonValue } from "@bufbuild/protobuf";
import { invalidField } from "../errors.js";

/** The keys of a path: joined by dots, with a backslash before a dot or backslash that is part of a key. Throws INVALID_FIELD. */
export function keysOf(field: string, path: string): string[] {
  const keys = [""];
  for (let at = 0; at < path.length; at += 1) {
    let character = path[at] as string;
    if (character === ".") {
      keys.push("");
      continue;
    }
    if (character === "\\") {
      at += 1;
      character = path[at] ?? "";
      if (character !== "." && character !== "\\")
        throw invalidField(field, "in a path a backslash stands before a dot or a backslash");
    }
    keys[keys.length - 1] += character;
  }
  return keys;
}

/** The value at a path, or undefined. A number names an element of a list. */
export function valueAt(root: JsonValue, keys: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = root;
  for (const key of keys) {
    if (value === null || typeof value !== "object") return undefined;
    if (Array.isArray(value)) value = /^(0|[1-9]\d{0,8})$/.test(key) ? value[Number(key)] : undefined;
    // What an object inherits is none of its data.
    else value = Object.hasOwn(value, key) ? value[key] : undefined;
    if (value === undefined) return undefined;
  }
  return value;
}
