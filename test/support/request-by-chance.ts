import { create, type DescField, type DescMessage, getOption, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence as Presence } from "@bufbuild/protobuf/wkt";
import {
  type FieldRules,
  FieldRulesSchema,
  field as fieldOption,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

interface Dice {
  /** Whether the next value is to be an odd one. */
  odd(): boolean;
  half(): boolean;
  of<T>(items: readonly T[]): T;
}

/**
 * A request of a type, as its init: values that its rules allow and, where `odd` says so, what stands at a limit or one past it, is missing,
 * or is of another kind. It is asked once or twice for each value.
 */
export function requestByChance(
  schema: DescMessage,
  next: () => number,
  odd: () => boolean = () => false,
): Record<string, unknown> {
  const of = <T>(items: readonly T[]) => items[Math.floor(next() * items.length)] as T;
  return messageOf(schema, { odd, half: () => next() < 0.5, of }, 0);
}

const DEEPEST = 4;

function messageOf(schema: DescMessage, dice: Dice, depth: number): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const field of schema.fields) {
    const isGiven = isNeeded(field) ? !dice.odd() : dice.half() && depth < DEEPEST;
    if (field.oneof === undefined && isGiven) message[field.localName] = fieldValue(field, dice, depth);
  }
  for (const { localName, fields } of schema.oneofs) {
    const field = dice.of(fields);
    if (!dice.odd()) message[localName] = { case: field.localName, value: fieldValue(field, dice, depth) };
  }
  return message;
}

/** What is seldom valid when it is left out. */
function isNeeded(field: DescField): boolean {
  const { required, type } = getOption(field, fieldOption);
  if (field.fieldKind === "list") return type.case === "repeated" && type.value.minItems > 0n;
  return required || (field.fieldKind !== "message" && field.presence === Presence.IMPLICIT);
}

function fieldValue(field: DescField, dice: Dice, depth: number): unknown {
  const rules = getOption(field, fieldOption);
  if (field.fieldKind === "list") return listOf(field, rules, dice, depth);
  return field.fieldKind === "map" ? {} : singleOf(field, rules, dice, depth);
}

const NO_RULES = create(FieldRulesSchema);

function listOf(field: DescField, { type }: FieldRules, dice: Dice, depth: number): unknown[] {
  const rules = type.case === "repeated" ? type.value : undefined;
  const [least, most] = [Number(rules?.minItems ?? 0), Number(rules?.maxItems ?? 0)];
  const item = () => singleOf(field, rules?.items ?? NO_RULES, dice, depth);
  if (!dice.odd()) return Array.from({ length: Math.max(least, dice.of([0, 1, 2])) }, item);
  // The same many times over: to make many takes long.
  return Array(Math.max(0, dice.of(around(least, Math.min(most, 1000))))).fill(item());
}

function singleOf(field: DescField, rules: FieldRules, dice: Dice, depth: number): unknown {
  if (field.message !== undefined) return innerOf(field.message, rules, dice, depth);
  if (field.enum !== undefined)
    return dice.odd() ? dice.of([0, -1, 99]) : dice.of(field.enum.values.slice(1).map(({ number }) => number));
  switch (field.scalar) {
    case ScalarType.STRING:
      return textOf(rules, dice);
    case ScalarType.BYTES:
      return new Uint8Array(dice.of([0, 1, 3]));
    case ScalarType.BOOL:
      return dice.half();
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return dice.of([0n, 1n, 2n ** 62n]);
    default:
      return numberOf(rules, dice);
  }
}

function innerOf(message: DescMessage, rules: FieldRules, dice: Dice, depth: number): unknown {
  switch (message.typeName) {
    case "google.protobuf.Timestamp":
    case "google.protobuf.Duration":
      return momentOf(rules, dice);
    case "google.protobuf.Struct":
      return dice.of([{}, { a: [1, null, { b: "c" }] }, { "\0": "" }]);
    case "google.protobuf.Value":
      return { kind: { case: "stringValue", value: dice.of(TEXTS) } };
    default:
      return messageOf(message, dice, depth + 1);
  }
}

/** Texts that tell patterns apart. */
const TEXTS = [
  "tom",
  "https://x.example/😀",
  "A".repeat(10),
  "0190f0a2-9f0e-7222-8333-444455556666",
  "x",
  "",
  "text/plain",
  "+4915112345678",
  "123456",
  "GET",
  "a\n",
  "ä",
  "😀",
  "\ud800",
  "a b\0",
  ...[64, 65, 128, 129].map((length) => "a".repeat(length)),
] as const;
const LETTERS = ["a", "é", "€", "😀", "\ud800"] as const;

function textOf({ type }: FieldRules, dice: Dice): string {
  if (type.case !== "string") return dice.of(TEXTS);
  const { pattern, minLen, maxLen, minBytes, maxBytes } = type.value;
  const limits = [minLen, maxLen, minBytes, maxBytes].map(Number).filter((limit) => limit > 0);
  if (dice.odd()) return limits.length === 0 ? dice.of(TEXTS) : filled(dice.of(around(...limits)), dice);
  const least = Math.max(Number(minLen), Number(minBytes));
  const most = Math.min(Number(maxBytes) || 256, Number(maxLen) || 256);
  const expression = new RegExp(pattern, "u");
  const fit = TEXTS.filter((text) => expression.test(text) && text.length >= least && Buffer.byteLength(text) <= most);
  return fit.length === 0 ? "a".repeat(least) : dice.of(fit);
}

/** A text of so many bytes, code points, or units. */
function filled(size: number, dice: Dice): string {
  const letter = dice.of(LETTERS);
  return letter.repeat(Math.floor(Math.max(0, size) / dice.of([Buffer.byteLength(letter), letter.length, 1])));
}

function numberOf({ type }: FieldRules, dice: Dice): number {
  if (type.case !== "int32" && type.case !== "uint32" && type.case !== "double") return dice.of([0, 1, 2 ** 31 - 1]);
  const least = type.value.greaterThan.value ?? 0;
  const most = type.value.lessThan.value ?? 2 ** 31 - 1;
  if (!dice.odd()) return dice.of([least, most]);
  return dice.of([...around(least, most), ...(type.case === "double" ? [Number.NaN, Number.POSITIVE_INFINITY] : [])]);
}

const NO_BOUNDS = { greaterThan: { value: undefined }, lessThan: { value: undefined } };

function momentOf({ type }: FieldRules, dice: Dice): object {
  const { greaterThan, lessThan } = type.case === "duration" || type.case === "timestamp" ? type.value : NO_BOUNDS;
  const seconds = dice.of([secondsOf(greaterThan.value) ?? 0n, secondsOf(lessThan.value) ?? 1n]);
  if (!dice.odd()) return { seconds, nanos: 0 };
  return { seconds: seconds + dice.of([-1n, 0n, 1n]), nanos: dice.of([-1, 0, 1, 999_999_999, 2_000_000_000]) };
}

function secondsOf(bound: { seconds: bigint } | boolean | undefined): bigint | undefined {
  return typeof bound === "object" ? bound.seconds : undefined;
}

function around(...limits: number[]): number[] {
  return limits.flatMap((limit) => [limit - 1, limit, limit + 1]);
}
