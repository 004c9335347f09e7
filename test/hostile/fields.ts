import { type DescField, type DescMessage, getOption } from "@bufbuild/protobuf";
import { type FieldRules, field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { exampleOf, type Json } from "./seeds.js";

/** A field of a request, at any depth: the way to it, and what it is. */
export interface Place {
  /** As errors name it: content.image.url, requests[0].remark. */
  name: string;
  steps: readonly DescField[];
  field: DescField;
}

/** Every field of a request, those of messages in it too. */
export function placesOf(schema: DescMessage, before: readonly DescField[] = [], prefix = ""): Place[] {
  return schema.fields.flatMap((field) => {
    const steps = [...before, field];
    const name = `${prefix}${field.name}`;
    const own = { name, steps, field };
    const { message } = field;
    // Well-known types are one value each.
    if (message === undefined || message.typeName.startsWith("google.") || steps.length > 4) return [own];
    return [own, ...placesOf(message, steps, field.fieldKind === "list" ? `${name}[0].` : `${name}.`)];
  });
}

/** A copy of a request in which one field holds another value; what must be around it is made, what excludes it is left out. */
export function withValue(request: Json, { steps }: Place, value: unknown): Json {
  const [field, ...rest] = steps;
  if (field === undefined) return request;
  const copy = { ...request };
  for (const other of field.oneof?.fields ?? []) if (other !== field) delete copy[other.jsonName];
  if (rest.length === 0) return { ...copy, [field.jsonName]: value };
  const { message } = field;
  if (message === undefined) throw new Error(`${field.name} holds no message`);
  const given = copy[field.jsonName];
  const inner =
    (field.fieldKind === "list" ? (given as Json[] | undefined)?.[0] : (given as Json | undefined)) ??
    exampleOf(message);
  const changed = withValue(inner, { steps: rest, field, name: "" }, value);
  return { ...copy, [field.jsonName]: field.fieldKind === "list" ? [changed] : changed };
}

/** What the contract allows a field at most, and in what. */
export function sizeLimit(field: DescField): { most: number; of: "bytes" | "items" } | undefined {
  const { type }: FieldRules = getOption(field, fieldRules);
  if (type.case === "string" && type.value.maxBytes > 0n) return { most: Number(type.value.maxBytes), of: "bytes" };
  if (type.case === "repeated" && type.value.maxItems > 0n) return { most: Number(type.value.maxItems), of: "items" };
  return undefined;
}
