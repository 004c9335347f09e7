import type { Random } from "./random.js";

/** Bytes that mean something to a parser: ends of ranges, lengths that lie, tags of groups, JSON's own signs. */
const BYTES = [0x00, 0x01, 0x0a, 0x0b, 0x0c, 0x12, 0x22, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xc0, 0xed, 0xfe, 0xff] as const;
const VARINTS = ["ffffffff0f", "ffffffffffffffffff01", "80808080808080808001", "ffffffffffffffffffff01", "8000"].map(
  (hex) => Buffer.from(hex, "hex"),
);

/** JSON texts that stand where another was expected. */
const VALUES = [
  "null",
  "true",
  "0",
  "-0",
  "-1",
  "1.5",
  "1e400",
  "-1e400",
  "2147483648",
  "4294967296",
  "9007199254740993",
  "18446744073709551616",
  '""',
  '"NaN"',
  '"Infinity"',
  '"-1"',
  '"\\u0000"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\ufeff"',
  '"9999-12-31T23:59:59.999999999Z"',
  '"0000-00-00T00:00:00Z"',
  '"-315576000001s"',
  '"AAAA"',
  '"__proto__"',
  "[]",
  "[[]]",
  "[null]",
  "{}",
  '{"":{}}',
  '{"__proto__":{"x":1},"constructor":1}',
  '{"@type":"type.googleapis.com/google.protobuf.Any"}',
] as const;

/** Changes a binary message, mostly in one place, so that many still make sense; `other` is another one to take parts from. */
export function mutateBytes(random: Random, bytes: Buffer, other: Buffer): Buffer {
  let mutant = bytes;
  for (let times = random.of([1, 1, 1, 2, 4]); times > 0; times -= 1) mutant = mutateOnce(random, mutant, other);
  return mutant;
}

function mutateOnce(random: Random, bytes: Buffer, other: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  const to = Math.min(bytes.length, at + 1 + random.below(16));
  const splice = (part: Uint8Array, end = to) => Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(end)]);
  switch (random.below(8)) {
    case 0:
      return splice(Buffer.of((bytes[at] ?? 0) ^ (1 << random.below(8))), at + 1);
    case 1:
      return splice(Buffer.of(random.of(BYTES)), at + 1);
    case 2:
      return splice(Buffer.of(random.of(BYTES), random.below(256)), at);
    case 3:
      return splice(Buffer.alloc(0));
    case 4:
      return splice(Buffer.concat([bytes.subarray(at, to), bytes.subarray(at, to)]));
    case 5:
      return bytes.subarray(0, at);
    case 6:
      return splice(random.of(VARINTS), at + random.below(2));
    default: {
      const from = random.below(other.length + 1);
      return splice(other.subarray(from, from + random.below(32)));
    }
  }
}

/** Changes a JSON message, by its values or by its bytes. */
export function mutateJson(random: Random, value: unknown, other: Buffer): Buffer {
  const text = Buffer.from(random.below(4) === 0 ? JSON.stringify(value) : replaceOne(random, value));
  return random.below(5) === 0 ? mutateBytes(random, text, other) : text;
}

/** The JSON text of a value with one value in it, at any depth, replaced, doubled or taken out. */
function replaceOne(random: Random, value: unknown): string {
  const places = count(value);
  let at = random.below(places);
  const write = (item: unknown): string => {
    at -= 1;
    if (at === -1) return random.of(VALUES);
    if (Array.isArray(item)) return `[${item.map(write).join(",")}]`;
    if (item === null || typeof item !== "object") return JSON.stringify(item);
    const pairs = Object.entries(item).map(([name, inner]) => {
      const own = `${JSON.stringify(name)}:${write(inner)}`;
      return at === -1 && random.below(4) === 0 ? `${own},${own}` : own;
    });
    return `{${pairs.join(",")}}`;
  };
  return write(value);
}

function count(value: unknown): number {
  if (value === null || typeof value !== "object") return 1;
  return Object.values(value).reduce<number>((sum, inner) => sum + count(inner), 1);
}
