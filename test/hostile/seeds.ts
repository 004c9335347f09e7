import { existsSync, readFileSync } from "node:fs";
import {
  type DescField,
  type DescMessage,
  type DescMethod,
  fromJson,
  type JsonObject,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { SERVICES } from "../../server/src/rpc/router.js";

/** A request in JSON. */
export type Json = Record<string, unknown>;

/** An input that once failed. */
interface Failure {
  method: string;
  codec: "proto" | "json";
  /** What a binary body is appended to, and so merged with: a request in JSON, whose names stand for others in every run. */
  request?: Json;
  /** In base64. */
  body: string;
  /** What it had done. */
  why: string;
}

const read = <T>(name: string, otherwise: T): T => {
  const file = new URL(`corpus/${name}`, import.meta.url);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as T) : otherwise;
};

export const METHODS: readonly DescMethod[] = SERVICES.flatMap((service) => service.methods);
export const nameOf = (method: DescMethod): string => `${method.parent.typeName}/${method.name}`;

/** Requests that real clients made, by method; `$tom` and the like stand for what is another in every run. */
const REQUESTS = read<Record<string, Json[]>>("requests.json", {});
const FAILURES = read<Failure[]>("failures.json", []);

/** The known requests of a method, and one made from its descriptor, so that a new method has one at once. */
export function seedsOf(method: DescMethod, names: Readonly<Record<string, string>>): Json[] {
  return [...named(REQUESTS[nameOf(method)] ?? [], names), exampleOf(method.input)];
}

/** A request with the names of this run. */
function named<T>(value: T, names: Readonly<Record<string, string>>): T {
  const text = JSON.stringify(value).replaceAll(/\$[a-zA-Z]+/g, (name) => names[name.slice(1)] ?? name);
  return JSON.parse(text) as T;
}

export function binaryOf(method: DescMethod, json: Json): Buffer {
  return Buffer.from(toBinary(method.input, fromJson(method.input, json as JsonObject)));
}

/** The inputs that once failed, as they go out. */
export function failures(
  names: Readonly<Record<string, string>>,
): { method: DescMethod; codec: "proto" | "json"; body: Buffer }[] {
  return FAILURES.map(({ method: name, codec, request, body }) => {
    const method = METHODS.find((each) => nameOf(each) === name);
    if (method === undefined) throw new Error(`corpus/failures.json names ${name}, which is not there`);
    const before = request === undefined ? Buffer.alloc(0) : binaryOf(method, named(request, names));
    return { method, codec, body: Buffer.concat([before, Buffer.from(body, "base64")]) };
  });
}

/** The methods that have no request of a real client. */
export const unknownMethods = (): string[] => METHODS.map(nameOf).filter((name) => REQUESTS[name] === undefined);

/** A request with every field set, one of each oneof. */
export function exampleOf(schema: DescMessage, depth = 0): Json {
  const example: Json = {};
  const chosen = new Set<string>();
  for (const field of schema.fields) {
    if (field.oneof !== undefined && chosen.has(field.oneof.name)) continue;
    if (field.oneof !== undefined) chosen.add(field.oneof.name);
    if (depth < 5) example[field.jsonName] = exampleValue(field, depth);
  }
  return example;
}

export function exampleValue(field: DescField, depth = 0): unknown {
  switch (field.fieldKind) {
    case "scalar":
      return /url$/i.test(field.jsonName) ? "https://x.example/" : scalar(field.scalar);
    case "enum":
      return field.enum.values.at(-1)?.name;
    case "message":
      return message(field.message, depth);
    case "list":
      if (field.listKind === "scalar") return [scalar(field.scalar)];
      return [field.listKind === "enum" ? field.enum.values.at(-1)?.name : message(field.message, depth)];
    case "map":
      return { key: field.mapKind === "scalar" ? scalar(field.scalar) : {} };
  }
}

function message(schema: DescMessage, depth: number): unknown {
  switch (schema.typeName) {
    case "google.protobuf.Timestamp":
      return "2030-01-01T00:00:00Z";
    case "google.protobuf.Duration":
      return "1s";
    case "google.protobuf.Value":
      return "a";
    case "google.protobuf.Struct":
      return { key: ["value", 1, null, { deep: true }] };
    default:
      return exampleOf(schema, depth + 1);
  }
}

function scalar(type: ScalarType): unknown {
  switch (type) {
    case ScalarType.STRING:
      return "a";
    case ScalarType.BOOL:
      return true;
    case ScalarType.BYTES:
      return "AQI=";
    default:
      return 1;
  }
}
