import { type DescField, type DescMessage, getOption, hasOption, type Message, ScalarType } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { Edition, FeatureSet_FieldPresence as Presence } from "@bufbuild/protobuf/wkt";
import {
  type FieldRules,
  FieldRulesSchema,
  field as fieldOption,
  Ignore,
  message as messageOption,
  oneof as oneofOption,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { RULES, type Test } from "./known-rules.js";

const UNSURE: Test = () => false;

const testsOfTypes = new WeakMap<DescMessage, Test[]>();

/**
 * Whether a message keeps every rule of the contract beyond doubt. False says nothing: a rule is broken, or is not known here, and the
 * validator decides. This is there for speed alone and may only ever be too strict; what is refused, and in which words, is the validator's.
 * The rules of a message type are read once.
 */
export function surelyValid(schema: DescMessage, message: Message): boolean {
  return passes(message, testsOf(schema));
}

function passes(value: unknown, tests: readonly Test[]): boolean {
  for (const test of tests) if (!test(value as never)) return false;
  return true;
}

function testsOf(schema: DescMessage): Test[] {
  let tests = testsOfTypes.get(schema);
  if (tests === undefined) {
    // Set first, so that a type that contains itself ends; and whose rules cannot be read is never sure.
    tests = [UNSURE];
    testsOfTypes.set(schema, tests);
    tests.splice(0, 1, ...messageTests(schema));
  }
  return tests;
}

/** Types in which no rule stands. protobuf-es holds some of them in another form than a message's. */
const WITHOUT_RULES = new Set(["Struct", "Value", "Timestamp", "Duration"].map((name) => `google.protobuf.${name}`));

function messageTests(schema: DescMessage): Test[] {
  if (WITHOUT_RULES.has(schema.typeName)) return [];
  const isPlain = schema.file.edition === Edition.EDITION_PROTO3 && !schema.typeName.startsWith("google.");
  if (!isPlain || hasOption(schema, messageOption)) return [UNSURE];
  const required = schema.oneofs.filter((oneof) => getOption(oneof, oneofOption).required);
  return [
    ...schema.fields.flatMap(fieldTests),
    ...required.map(
      ({ localName }) =>
        (message: Held) =>
          (message[localName] as Chosen).case !== undefined,
    ),
  ];
}

/** A message and a oneof in it, as protobuf-es holds them. */
type Held = Readonly<Record<string, unknown>>;
type Chosen = Readonly<{ case?: string; value?: unknown }>;

/** What a message must pass for one of its fields. */
function fieldTests(field: DescField): Test[] {
  const { localName, oneof } = field;
  const { required } = getOption(field, fieldOption);
  if (required && (field.fieldKind !== "message" || oneof !== undefined)) return [UNSURE];
  const tests = valueTests(field);
  if (tests.length === 0 && !required) return [];
  if (oneof !== undefined)
    return [
      (message: Held) => {
        const chosen = message[oneof.localName] as Chosen;
        return chosen.case !== localName || passes(chosen.value, tests);
      },
    ];
  return [
    (message: Held) => {
      const value = message[localName];
      // What is undefined can be absent, and is.
      return value === undefined ? !required : passes(value, tests);
    },
  ];
}

function valueTests(field: DescField): Test[] {
  const rules = getOption(field, fieldOption);
  switch (field.fieldKind) {
    case "list":
      return [...ruleTests(field, "list", rules), ...itemTests(field, rules)];
    case "map":
      return field.mapKind === "message" || hasOption(field, fieldOption) ? [UNSURE] : [];
    default:
      return [...innerTests(field), ...ruleTests(field, field.fieldKind, rules)];
  }
}

function itemTests(field: DescField & { fieldKind: "list" }, { type }: FieldRules): Test[] {
  const rules = type.case === "repeated" ? type.value.items : undefined;
  const tests = [...innerTests(field), ...(rules === undefined ? [] : ruleTests(field, field.listKind, rules))];
  if (tests.length === 0) return [];
  return [(list: readonly unknown[]) => list.every((item) => passes(item, tests))];
}

/** What a message that is the value of a field, or an item of it, must pass by its own type. */
function innerTests({ message }: DescField): Test[] {
  if (message === undefined || WITHOUT_RULES.has(message.typeName)) return [];
  const tests = testsOf(message);
  return [(value) => passes(value, tests)];
}

type Kind = "scalar" | "enum" | "message" | "list";

/** What a value must pass by the rules that stand at its field. */
function ruleTests(field: DescField, kind: Kind, rules: FieldRules): Test[] {
  const tests = [
    ...(rules.cel.length + rules.celExpression.length > 0 ? [UNSURE] : []),
    ...typeTests(field, kind, rules),
  ];
  if (rules.ignore === Ignore.UNSPECIFIED) return tests;
  // Where a text can be absent, the empty one is not ignored.
  const ignoresEmpty = rules.ignore === Ignore.IF_ZERO_VALUE && field.presence === Presence.IMPLICIT;
  if (!ignoresEmpty || kind !== "scalar" || field.scalar !== ScalarType.STRING) return [UNSURE];
  return [(text: string) => text === "" || passes(text, tests)];
}

/** What a value must pass by the rules of its type, such as string.max_bytes. */
function typeTests(field: DescField, kind: Kind, { type }: FieldRules): Test[] {
  if (type.case === undefined) return [];
  const { message: schema } = FieldRulesSchema.field[type.case];
  // Rules with fields that are not known are made of other rules.
  if (type.case !== typeOf(field, kind) || schema === undefined || type.value.$unknown !== undefined) return [UNSURE];
  const given = reflect(schema, type.value);
  return given.fields
    .filter((rule) => given.isSet(rule))
    .map((rule) => RULES[`${type.case}.${rule.name}`]?.(given.get(rule) as never, field) ?? UNSURE);
}

/** Which rules may stand at a field. */
function typeOf({ scalar, message }: DescField, kind: Kind): string | undefined {
  if (kind === "list") return "repeated";
  if (kind === "enum") return "enum";
  if (scalar !== undefined) return ScalarType[scalar].toLowerCase();
  return message === undefined ? undefined : MOMENTS.get(message.typeName);
}

const MOMENTS = new Map([
  ["google.protobuf.Timestamp", "timestamp"],
  ["google.protobuf.Duration", "duration"],
]);
