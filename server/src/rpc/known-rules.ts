import type { DescField } from "@bufbuild/protobuf";
import type { ReflectList, ReflectMessage } from "@bufbuild/protobuf/reflect";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

/** Says true only of a value that keeps a rule. Which type the value has, its field decides. */
export type Test = (value: never) => boolean;

type Moment = Pick<Duration | Timestamp, "seconds" | "nanos">;

/** Below zero when the first is the earlier or shorter one. Odd nanoseconds are not put right: the validator does not either. */
function compare(one: Moment, other: Moment): number {
  if (one.seconds === other.seconds) return one.nanos - other.nanos;
  return one.seconds < other.seconds ? -1 : 1;
}

const numberFrom = (least: number) => (value: number) => value >= least;
const numberTo = (most: number) => (value: number) => value <= most;
const momentFrom = (least: ReflectMessage) => {
  const bound = least.message as unknown as Moment;
  return (value: Moment) => compare(value, bound) >= 0;
};
const momentTo = (most: ReflectMessage) => {
  const bound = most.message as unknown as Moment;
  return (value: Moment) => compare(value, bound) <= 0;
};

/**
 * The standard rules of the contract, by their names: each makes a test of what the rule says. What is not here, the validator checks.
 * Lengths of texts are estimated where that is cheaper, to the strict side.
 */
export const RULES: Readonly<Record<string, (limit: never, field: DescField) => Test>> = {
  // A code point is one or two units of a text's length, and one to four bytes, three at most for each unit.
  "string.min_len": (least: bigint) => {
    const units = 2 * Number(least) - 1;
    return (text: string) => text.length >= units;
  },
  "string.max_len": (most: bigint) => {
    const units = Number(most);
    return (text: string) => text.length <= units;
  },
  "string.min_bytes": (least: bigint) => {
    const units = Number(least);
    return (text: string) => text.length >= units;
  },
  "string.max_bytes": (most: bigint) => {
    const bytes = Number(most);
    return (text: string) => text.length * 3 <= bytes || Buffer.byteLength(text) <= bytes;
  },
  // By the same engine and flag as the funnel's validator.
  "string.pattern": (pattern: string) => {
    const expression = new RegExp(pattern, "u");
    return (text: string) => expression.test(text);
  },
  "int32.gte": numberFrom,
  "int32.lte": numberTo,
  "uint32.gte": numberFrom,
  "uint32.lte": numberTo,
  "double.gte": numberFrom,
  "double.lte": numberTo,
  "enum.defined_only": (_: boolean, field) => {
    const defined = new Set(field.enum?.values.map(({ number }) => number));
    return (value: number) => defined.has(value);
  },
  "enum.not_in": (values: ReflectList) => {
    const refused = new Set(values);
    return (value: number) => !refused.has(value);
  },
  "repeated.min_items": (least: bigint) => {
    const count = Number(least);
    return (list: readonly unknown[]) => list.length >= count;
  },
  "repeated.max_items": (most: bigint) => {
    const count = Number(most);
    return (list: readonly unknown[]) => list.length <= count;
  },
  // Each item is looked at by itself.
  "repeated.items": () => () => true,
  "duration.gte": momentFrom,
  "duration.lte": momentTo,
  "timestamp.gte": momentFrom,
  "timestamp.lte": momentTo,
};
