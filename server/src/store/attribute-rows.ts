import { createHash } from "node:crypto";
import { fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import type { Row } from "./schema.js";

/** What can be searched: a user, a group or a room, by the letter its owner name begins with. */
export type Kind = "u" | "g" | "r";

/** What search knows of a thing besides its attributes. */
export interface Fields {
  name: string;
  createMs: number;
}

/** The rows that one thing may have: further values cannot be searched. */
export const MOST_ROWS = 256;
/** The longest path that is kept, and the characters of a text that are looked at. */
const MOST_PATH_BYTES = 256;
const MOST_CHARACTERS = 256;

/** The name field of each kind, and the field of all that is there for sorting. */
export const NAME_FIELD: Record<Kind, string> = { u: "display_name", g: "name", r: "name" };
export const CREATE_TIME = "create_time";

/** The path of a field, and that of an attribute by its keys: the dot in front keeps the two apart. */
export const fieldPath = (kind: Kind, field: string): string => `${kind}:${field}`;
export const attributePath = (kind: Kind, keys: readonly string[]): string => `${kind}:.${keys.map(escaped).join(".")}`;

const escaped = (key: string): string => key.replace(/[\\.]/g, "\\$&");

/** A text as search compares it: case and width do not matter. */
export function fold(text: string): string {
  return firstCharacters(text.normalize("NFKC").toLowerCase().normalize("NFKC"));
}

function firstCharacters(text: string): string {
  return text.length <= MOST_CHARACTERS ? text : [...text].slice(0, MOST_CHARACTERS).join("");
}

/** The two forms of a value: `folded` sorts as values do, by kind and then by size or folded text; `exact` is equal for equal values alone. */
export function formsOf(value: string | number | boolean | null): { exact: string; folded: string } {
  if (typeof value === "string") {
    const exact =
      value.length <= MOST_CHARACTERS ? `=${value}` : `#${createHash("sha256").update(value).digest("hex")}`;
    return { exact, folded: TEXT + fold(value) };
  }
  const folded = value === null ? "0" : typeof value === "boolean" ? `1${value ? "t" : "f"}` : `2${sortable(value)}`;
  return { exact: "", folded };
}

/** What the folded form of a text begins with. */
export const TEXT = "3";

/** A number as text that sorts as numbers do: the bits of a double, turned so that they rise. */
function sortable(value: number): string {
  const bytes = Buffer.alloc(8);
  // Both zeros are one number.
  bytes.writeDoubleBE(value === 0 ? 0 : value);
  const negative = (bytes[0] ?? 0) >= 0x80;
  for (const [at, byte] of bytes.entries()) bytes[at] = negative ? ~byte & 0xff : at === 0 ? byte | 0x80 : byte;
  return bytes.toString("hex");
}

/** All rows of one thing: its fields, then its attributes in their order, elements of lists each for itself. */
export function rowsOf(
  appId: string,
  kind: Kind,
  owner: string,
  fields: Fields,
  attributes: Uint8Array | null,
): Row<"attribute">[] {
  const rows = new Map<string, Row<"attribute">>();
  const add = (path: string, value: string | number | boolean | null, single: boolean) => {
    if (rows.size >= MOST_ROWS || Buffer.byteLength(path) > MOST_PATH_BYTES + kind.length + 2) return;
    const forms = formsOf(value);
    const row = { app_id: appId, path, owner, single: single ? 1 : 0, ...forms };
    rows.set(JSON.stringify([path, forms]), row);
  };
  const walk = (keys: readonly string[], value: JsonValue, single: boolean): void => {
    if (Array.isArray(value)) for (const item of value) walk(keys, item, false);
    else if (value !== null && typeof value === "object")
      for (const [key, inner] of Object.entries(value)) walk([...keys, key], inner, single);
    else if (keys.length > 0) add(attributePath(kind, keys), value, single);
  };
  add(fieldPath(kind, CREATE_TIME), fields.createMs, true);
  if (fields.name !== "") add(fieldPath(kind, NAME_FIELD[kind]), fields.name, true);
  if (attributes !== null) walk([], toJson(StructSchema, fromBinary(StructSchema, attributes)), true);
  return [...rows.values()];
}
