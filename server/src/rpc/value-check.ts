import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { invalidField } from "../domain/errors.js";

type Check = (message: Record<string, unknown>, path: string) => void;

const checks = new WeakMap<DescMessage, Check[]>();

/**
 * Refuses what can be sent and cannot be kept or told, however deep in a message: a NUL character in a string, since PostgreSQL cannot hold
 * it and both databases must answer alike, and a time or span that has no form in JSON, since its readers would fail for ever after.
 * The walk is made once for each message type.
 */
export function checkValues(schema: DescMessage, message: Message): void {
  for (const check of checksOf(schema)) check(message as unknown as Record<string, unknown>, "");
}

function checksOf(schema: DescMessage): Check[] {
  let list = checks.get(schema);
  if (list === undefined) {
    list = [];
    // Set first, so that a type that contains itself ends.
    checks.set(schema, list);
    for (const field of schema.fields) {
      const check = fieldCheck(field);
      if (check !== undefined) list.push(check);
    }
  }
  return list;
}

function fieldCheck(field: DescField): Check | undefined {
  const value = valueCheck(field);
  if (value === undefined) return undefined;
  const { localName, name, oneof } = field;
  if (oneof !== undefined)
    return (message, path) => {
      const chosen = message[oneof.localName] as { case?: string; value?: unknown };
      if (chosen.case === localName) value(chosen.value, `${path}${name}`);
    };
  return (message, path) => {
    const given = message[localName];
    if (given !== undefined && given !== "") value(given, `${path}${name}`);
  };
}

function valueCheck(field: DescField): ((value: unknown, path: string) => void) | undefined {
  switch (field.fieldKind) {
    case "scalar":
      return field.scalar === ScalarType.STRING ? checkValue : undefined;
    case "message":
      return messageCheck(field.message);
    case "list": {
      const item =
        field.listKind === "message"
          ? messageCheck(field.message)
          : field.listKind === "scalar" && field.scalar === ScalarType.STRING
            ? checkValue
            : undefined;
      if (item === undefined) return undefined;
      return (list, path) => {
        for (const [at, value] of (list as unknown[]).entries()) item(value, `${path}[${at}]`);
      };
    }
    case "map":
      return checkValue;
    default:
      return undefined;
  }
}

function messageCheck(schema: DescMessage): (value: unknown, path: string) => void {
  // protobuf-es holds a Struct as a plain JSON object.
  if (schema.typeName === "google.protobuf.Struct") return checkValue;
  if (schema.typeName === "google.protobuf.Timestamp") return checkTimestamp;
  if (schema.typeName === "google.protobuf.Duration") return checkDuration;
  return (value, path) => {
    for (const check of checksOf(schema)) check(value as Record<string, unknown>, `${path}.`);
  };
}

const MOST_NANOS = 999_999_999;

function checkTimestamp(value: unknown, path: string): void {
  const { nanos } = value as Timestamp;
  if (nanos < 0 || nanos > MOST_NANOS) throw invalidField(path, "the nanoseconds of a time are 0 to 999,999,999");
}

function checkDuration(value: unknown, path: string): void {
  const { seconds, nanos } = value as Duration;
  if (Math.abs(nanos) > MOST_NANOS || (seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0))
    throw invalidField(path, "the nanoseconds of a span are less than a second, and of the same sign as its seconds");
}

/** Checks a plain value: a string, or an object or list with strings at any depth, keys included. */
function checkValue(value: unknown, path: string): void {
  if (typeof value === "string") {
    if (value.includes("\0")) throw invalidField(path, "NUL characters are not allowed");
  } else if (value !== null && typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) {
      checkValue(key, path);
      checkValue(inner, path);
    }
  }
}
