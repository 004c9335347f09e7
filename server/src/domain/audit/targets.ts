import type { DescMessage, Message } from "@bufbuild/protobuf";

/** A thing that a request names: the way to the field, and the id. */
export type Target = readonly [field: string, id: string];

const ID = /^[A-Za-z0-9_-]{1,128}$/;
/** Keys against repeats and names that others give: no ids of ours. */
const NOT_OURS = new Set(["client_message_id", "request_id", "key_id", "external_user_id"]);

/** The things that a request names, by the names of its fields: nothing else of a request is kept. */
export function targetsOf(schema: DescMessage, request: Message): Target[] {
  const targets: Target[] = [];
  collect(schema, request, "", targets);
  return targets;
}

function collect(schema: DescMessage, message: Message, before: string, targets: Target[]): void {
  for (const field of schema.fields) {
    const name = `${before}${field.name}`;
    for (const value of valuesOf(message, field)) {
      if (field.message !== undefined) {
        // Free data is no request of ours.
        if (!field.message.typeName.startsWith("google."))
          collect(field.message, value as Message, `${name}.`, targets);
      } else if (/_ids?$/.test(field.name) && !NOT_OURS.has(field.name) && typeof value === "string" && ID.test(value))
        targets.push([name, value]);
    }
  }
}

function valuesOf(message: Message, field: DescMessage["fields"][number]): unknown[] {
  const fields = message as unknown as Record<string, unknown>;
  if (field.oneof !== undefined) {
    const chosen = fields[field.oneof.localName] as { case?: string; value?: unknown } | undefined;
    return chosen?.case === field.localName ? [chosen.value] : [];
  }
  const value = fields[field.localName];
  if (value === undefined) return [];
  if (field.fieldKind === "list") return value as unknown[];
  return field.fieldKind === "map" ? [] : [value];
}
