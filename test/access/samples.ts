import type { DescField, DescMessage, DescMethod, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { getOption, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** Gives the value of a string field, or of an enum; undefined leaves it out. */
export type Fill = (field: DescField) => string | undefined;

/** One request of a method, in JSON, with the places of what it says. */
export interface Sample {
  method: DescMethod;
  /** The method, and which of the alternatives of its request this is. */
  name: string;
  request: JsonObject;
  places: Place[];
}

/** A field of a request that holds text or free data. */
export interface Place {
  field: DescField;
  path: (string | number)[];
}

/** One way to make a value: itself, where its texts are, and which alternatives it takes. */
interface Way {
  value: JsonValue;
  places: Place[];
  name: string;
}

/** Requests of a method such that every field is set in one of them, and every case of every oneof is taken. Flags stay unset, and so do numbers and enums that may. */
export function samplesOf(method: DescMethod, fill: Fill): Sample[] {
  return waysOf(method.input, fill).map(({ value, places, name }) => ({
    method,
    name: `${method.parent.name}/${method.name}${name}`,
    request: value as JsonObject,
    places,
  }));
}

function waysOf(message: DescMessage, fill: Fill): Way[] {
  // Each member is a field, or a oneof with the ways of all its cases.
  const members = message.members.map((member) => {
    if (member.kind === "field") return fieldWays(member, fill);
    return member.fields.flatMap((field) =>
      fieldWays(field, fill).map((way) => ({ ...way, name: ` ${field.name}${way.name}` })),
    );
  });
  const present = members.filter((ways) => ways.length > 0);
  const firsts = present.map((ways) => ways[0] as Way);
  const others = present.flatMap((ways, at) => ways.slice(1).map((way) => firsts.with(at, way)));
  return [firsts, ...others].map(joined);
}

function joined(ways: readonly Way[]): Way {
  const value: JsonObject = {};
  for (const way of ways) Object.assign(value, way.value);
  return { value, places: ways.flatMap(({ places }) => places), name: ways.map(({ name }) => name).join("") };
}

/** The ways to set one field, each as an object of this field alone. */
function fieldWays(field: DescField, fill: Fill): Way[] {
  const key = field.jsonName;
  const inside = (way: Way, list: boolean): Way => ({
    ...way,
    value: { [key]: list ? [way.value] : way.value },
    places: way.places.map(({ field: inner, path }) => ({ field: inner, path: [key, ...(list ? [0] : []), ...path] })),
  });
  switch (field.fieldKind) {
    case "scalar":
      // Without it what is of old is refused where something newer stands.
      if (field.name === "allow_after") return [{ value: { [key]: true }, places: [], name: "" }];
      if (leastOf(field) > 0) return [inside({ value: leastOf(field), places: [], name: "" }, false)];
      return field.scalar === ScalarType.STRING ? textWays(field, fill).map((way) => inside(way, false)) : [];
    case "message":
      return messageWays(field, field.message, fill).map((way) => inside(way, false));
    case "enum":
      return enumWays(field, fill, field.enum.values.at(-1)?.name).map((way) => ({
        ...inside(way, false),
        places: [],
      }));
    case "list":
      if (field.listKind === "message") return waysOf(field.message, fill).map((way) => inside(way, true));
      if (field.listKind !== "scalar" || field.scalar !== ScalarType.STRING) return [];
      return textWays(field, fill).map((way) => inside(way, true));
    default:
      return [];
  }
}

/** Whether an enum's value of no meaning is refused. */
function mustBeSet(field: DescField): boolean {
  const { type } = getOption(field, fieldRules);
  return type.case === "enum" && type.value.notIn.includes(0);
}

/** The value that fits the others; else any where one must be set. */
function enumWays(field: DescField, fill: Fill, any: string | undefined): Way[] {
  const filled = textWays(field, fill);
  if (filled.length > 0 || !mustBeSet(field)) return filled;
  return [{ value: any ?? 0, places: [], name: "" }];
}

/** The least that the contract lets a number be which cannot be left out. */
function leastOf(field: DescField): number {
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) return 0;
  const { type } = getOption(field, fieldRules);
  return type.case === "uint32" && type.value.greaterThan.case === "gte" ? type.value.greaterThan.value : 0;
}

function textWays(field: DescField, fill: Fill): Way[] {
  const value = fill(field);
  return value === undefined ? [] : [{ value, places: [{ field, path: [] }], name: "" }];
}

function messageWays(field: DescField, message: DescMessage, fill: Fill): Way[] {
  switch (message.typeName) {
    case "google.protobuf.Struct":
      return [{ value: { key: "value" }, places: [{ field, path: [] }], name: "" }];
    case "google.protobuf.Value":
      return [{ value: "words", places: [{ field, path: [] }], name: "" }];
    case "google.protobuf.Timestamp":
      // What was made cannot be of the future, and what is to hold until then must be.
      return [
        { value: field.name === "create_time" ? "2021-01-01T00:00:00Z" : "2031-01-01T00:00:00Z", places: [], name: "" },
      ];
    case "google.protobuf.Duration":
      return [];
    default:
      return waysOf(message, fill);
  }
}

/** Whether a place holds free data instead of a text. */
export function isStruct({ field }: Place): boolean {
  return field.message?.typeName === "google.protobuf.Struct";
}

/** The request with another value at a place. */
export function withValue(request: JsonObject, { path }: Pick<Place, "path">, value: JsonValue): JsonObject {
  const copy = structuredClone(request);
  let at: JsonValue = copy;
  for (const step of path.slice(0, -1)) at = (at as Record<string | number, JsonValue>)[step] as JsonValue;
  (at as Record<string | number, JsonValue>)[path.at(-1) as string] = value;
  return copy;
}

/** A path in the words of the contract, such as receiver.user_id. */
export function pathText({ path }: Pick<Place, "path">): string {
  return path.join(".");
}
