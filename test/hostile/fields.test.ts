import { type DescField, type DescMethod, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { afterAll, beforeAll, expect, it, type TestContext } from "vitest";
import { LIMITS } from "../../server/src/limits.js";
import type { Answer } from "../conformance/wire.js";
import { newUser, refusal, startTestServer, type TestServer } from "../support/index.js";
import { send, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { TIER_2 } from "../support/proofs/tier.js";
import { type Place, placesOf, sizeLimit, withValue } from "./fields.js";
import { lengthDelimited } from "./malformed.js";
import { binaryOf, exampleValue, METHODS, nameOf, seedsOf } from "./seeds.js";
import { OURS, openTarget, type Target } from "./targets.js";

let server: TestServer;
let open: Target;
beforeAll(async () => {
  server = await startTestServer({ limits: { changeBurst: 1_000_000, loginTries: 1_000_000 } });
  open = await openTarget(server, 1);
});
afterAll(async () => {
  open.close();
  await server.close();
});

/** A second's work on a quiet machine; a busy one takes many times that. */
const BUSY_MS = 180_000;

const INTEGERS = new Map<ScalarType, readonly [least: bigint, most: bigint]>([
  [ScalarType.INT32, [-(2n ** 31n), 2n ** 31n - 1n]],
  [ScalarType.UINT32, [0n, 2n ** 32n - 1n]],
  [ScalarType.INT64, [-(2n ** 63n), 2n ** 63n - 1n]],
  [ScalarType.UINT64, [0n, 2n ** 64n - 1n]],
]);

/** JSON texts for a field: those that its type can hold, where a rule may still refuse them, and those that it cannot. */
function edgesOf(field: DescField): { fit: string[]; unfit: string[] } | undefined {
  if (field.fieldKind === "enum")
    return {
      // A name that is not known is one of a later version, and left out like a field that is not known.
      fit: ["0", "1", "9999", "-1", "2147483647", "-2147483648", '"NO_SUCH"'],
      unfit: ["2147483648", "1.5", "true", "[]", "{}"],
    };
  if (field.fieldKind === "message") return momentEdges(field.message.typeName);
  if (field.fieldKind !== "scalar") return undefined;
  if (field.scalar === ScalarType.DOUBLE || field.scalar === ScalarType.FLOAT)
    return {
      fit: ["0", "-0", "90", "-90.0000001", "1e308", "5e-324", '"NaN"', '"Infinity"', '"-Infinity"', '"1"'],
      unfit: ["1e400", "true", '"one"', '""', "[]", "{}"],
    };
  if (field.scalar === ScalarType.BOOL) return { fit: ["true", "false"], unfit: ["0", "1", '"true"', "[]"] };
  const range = INTEGERS.get(field.scalar);
  if (range === undefined) return undefined;
  const [least, most] = range;
  return {
    fit: [least, least + 1n, 0n, 1n, most - 1n, most].flatMap((each) => [`${each}`, `"${each}"`]).concat("1.0", "1e2"),
    unfit: [
      `${least - 1n}`,
      `${most + 1n}`,
      `"${most + 1n}"`,
      "0.5",
      "1e400",
      "-1e400",
      '"NaN"',
      '"ten"',
      '" 1"',
      '""',
      "true",
      "[]",
      "{}",
    ],
  };
}

function momentEdges(typeName: string): { fit: string[]; unfit: string[] } | undefined {
  if (typeName === "google.protobuf.Timestamp")
    return {
      fit: [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999999999Z",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "2030-01-01T00:00:00+14:00",
      ].map((each) => `"${each}"`),
      unfit: [
        '"0000-12-31T23:59:59Z"',
        '"10000-01-01T00:00:00Z"',
        '"2030-13-01T00:00:00Z"',
        '"2030-01-01"',
        '"now"',
        '""',
        "0",
        "1e400",
        "true",
        "{}",
      ],
    };
  if (typeName === "google.protobuf.Duration")
    return {
      fit: ['"0s"', '"-0s"', '"-1s"', '"0.000000001s"', '"315576000000s"', '"-315576000000s"'],
      unfit: ['"315576000001s"', '"1"', '"1m"', '"1e3s"', '"0.0000000001s"', '""', "1", "true", "{}"],
    };
  return undefined;
}

/** The fields of all methods; in the first tier those of a message that many methods take are tried in one. */
function everyPlace(): { method: DescMethod; place: Place }[] {
  const seen = new Set<DescField>();
  return METHODS.flatMap((method) =>
    placesOf(method.input)
      .filter(({ field }) => TIER_2 || (!seen.has(field) && seen.add(field)))
      .map((place) => ({ method, place })),
  );
}

const MARK = "@the value@";

it("H12: edges of every number, enum and time in JSON", { timeout: BUSY_MS }, async (context: TestContext) => {
  const wrong: string[] = [];
  let [calls, fields] = [0, 0];
  for (const { method, place } of everyPlace()) {
    const edges = edgesOf(place.field);
    const [base] = seedsOf(method, open.names);
    if (edges === undefined || base === undefined) continue;
    fields += 1;
    const template = JSON.stringify(withValue(base, place, MARK));
    for (const [value, fits] of [
      ...edges.fit.map((each) => [each, true] as const),
      ...edges.unfit.map((each) => [each, false] as const),
    ]) {
      const { code, reason } = await open.call(method, "json", Buffer.from(template.replace(`"${MARK}"`, value)));
      calls += 1;
      if (OURS.has(code) || (!fits && (code !== "invalid_argument" || reason !== "INVALID_FIELD")))
        wrong.push(`${nameOf(method)} ${place.name} ${value}: ${code}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(fields).toBeGreaterThan(40);
  figure(context, `${calls} values in ${fields} fields by JSON: 0 internal`);
});

/** What a field may be given in binary, whatever its type may hold. */
function binaryEdges({ field }: Place): Uint8Array[] {
  const varint = (hex: string) =>
    Buffer.concat([new BinaryWriter().tag(field.number, WireType.Varint).finish(), Buffer.from(hex, "hex")]);
  if (field.fieldKind === "message" && /Timestamp|Duration/.test(field.message.typeName)) {
    const time = (seconds: bigint, nanos: number) =>
      lengthDelimited(
        field.number,
        new BinaryWriter().tag(1, WireType.Varint).int64(seconds).tag(2, WireType.Varint).int32(nanos).finish(),
      );
    return [
      time(-(2n ** 63n), 0),
      time(2n ** 63n - 1n, 0),
      time(253_402_300_800n, 0),
      time(-62_135_596_801n, 0),
      time(0n, -1),
      time(0n, 1_000_000_000),
      time(1n, -(2 ** 31)),
      time(3n, -1),
      time(-3n, 1),
      time(3n, 2_000_000_000),
    ];
  }
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.DOUBLE)
    return [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 5e-324].map((value) =>
      new BinaryWriter().tag(field.number, WireType.Bit64).double(value).finish(),
    );
  if (field.fieldKind === "enum" || (field.fieldKind === "scalar" && INTEGERS.has(field.scalar)))
    return ["00", "ffffffff0f", "8080808010", "ffffffffffffffff7f", "ffffffffffffffffff01", "80808080808080808001"].map(
      varint,
    );
  return [];
}

/** What was accepted must be told: to readers of JSON too, which has fewer values. */
async function readBackOnce({ name }: DescMethod, place: Place): Promise<string[]> {
  if (!/^(Send|Update|Create|BatchUpsert)/.test(name)) return [];
  return (await open.readBack()).map((failed) => `after ${name} ${place.name}: ${failed}`);
}

it("H12: edges of every number, enum and time in binary", { timeout: BUSY_MS }, async (context: TestContext) => {
  const wrong: string[] = [];
  let calls = 0;
  for (const { method, place } of everyPlace())
    for (const edge of binaryEdges(place)) {
      // The messages around it, from the inside out. What is appended to a request is merged with it.
      const edged = place.steps.slice(0, -1).reduceRight((bytes, step) => lengthDelimited(step.number, bytes), edge);
      const [base = {}] = seedsOf(method, open.names);
      const around = binaryOf(method, withValue(base, place, exampleValue(place.field)));
      const { code } = await open.call(method, "proto", Buffer.concat([around, edged]));
      calls += 1;
      if (code === "ok") wrong.push(...(await readBackOnce(method, place)));
      if (OURS.has(code)) wrong.push(`${nameOf(method)} ${place.name} ${Buffer.from(edge).toString("hex")}: ${code}`);
    }
  expect(wrong).toEqual([]);
  figure(context, `${calls} by binary: 0 internal`);
});

it("H12: sizes of pages are refused outside of 0 to 100 wherever there are pages", async (context: TestContext) => {
  let tried = 0;
  for (const method of METHODS)
    for (const place of placesOf(method.input).filter(({ field }) => field.name === "page_size")) {
      const [base] = seedsOf(method, open.names);
      for (const size of [-1, 101, 1_000_000_000, -(2 ** 31), 2 ** 31 - 1]) {
        const body = JSON.stringify(withValue(base ?? {}, place, size));
        const answer = await open.call(method, "json", Buffer.from(body));
        expect(answer, `${nameOf(method)} ${size}`).toMatchObject({ code: "invalid_argument", field: "page_size" });
        tried += 1;
      }
    }
  expect(tried).toBeGreaterThan(30);
  figure(context, `${tried} sizes of pages refused`);
});

/** A value of a field that is as large as told, in bytes or items. */
function ofSize({ field }: Place, size: number, base: unknown): unknown {
  if (field.fieldKind !== "list")
    return /url$/i.test(field.name) ? "https://x.example/".padEnd(size, "a") : "a".repeat(size);
  return Array<unknown>(size).fill(base);
}

/** What may be told of a narrower limit, where the meaning of a text has one in the request around it. */
const NARROWER: Readonly<Record<string, number>> = {
  "parley.v1.InstallationService/RegisterInstallation installation.push_token": LIMITS.apnsTokenDigits,
};

/** The JSON value that stands at a place of a request, the first of a list. */
function valueAt(request: unknown, { steps }: Place): unknown {
  return steps.reduce<unknown>((value, step) => {
    const inner = (value as Record<string, unknown>)[step.jsonName];
    return Array.isArray(inner) ? inner[0] : inner;
  }, request);
}

it("H13: every size in the contract holds at its edge and not one past it, TOO_LARGE without a delay", {
  timeout: BUSY_MS,
}, async (context: TestContext) => {
  const wrong: string[] = [];
  let limits = 0;
  for (const { method, place } of everyPlace()) {
    const limit = sizeLimit(place.field);
    const [base = {}] = seedsOf(method, open.names);
    if (limit === undefined) continue;
    limits += 1;
    // Another value first, so that all that is around the field is there.
    const around = withValue(base, place, place.field.fieldKind === "list" ? [ITEMS[place.field.name] ?? "a"] : "a");
    const ask = async (size: number): Promise<Answer> => {
      const value = ofSize(place, size, valueAt(around, place));
      return await open.call(method, "json", Buffer.from(JSON.stringify(withValue(around, place, value))));
    };
    const [edge, past] = [await ask(limit.most), await ask(limit.most + 1)];
    const name = `${nameOf(method)} ${place.name} ${limit.most}`;
    const narrower = Number(edge.detail?.metadata.limit) === NARROWER[`${nameOf(method)} ${place.name}`];
    if ((edge.reason === "TOO_LARGE" && !narrower) || edge.code === "internal")
      wrong.push(`${name}: ${edge.code} ${edge.reason} ${edge.message}`);
    const told = past.detail;
    if (
      past.reason !== "TOO_LARGE" ||
      past.code !== "resource_exhausted" ||
      told?.field !== place.name ||
      told.metadata.limit !== String(limit.most)
    )
      wrong.push(`${name} and one more: ${past.code} ${past.reason} ${past.field} ${past.message}`);
    if (told?.retryDelay !== undefined || told?.retryable === true) wrong.push(`${name}: a delay`);
  }
  expect(wrong).toEqual([]);
  expect(limits).toBeGreaterThan(60);
  figure(context, `${limits} sizes of the contract at n and n + 1`);
});

/** Items that a list may hold, where "a" is none. */
const ITEMS: Readonly<Record<string, unknown>> = {
  providers: { name: "p", qq: { clientId: "1" } },
  kinds: "EVENT_KIND_MESSAGE_CREATED",
  filters: { path: "a", contains: "x" },
  users: { userId: "a" },
  credentials: { phoneNumber: "+8613800138000" },
  messages: {
    senderUserId: "a",
    content: { text: { text: "x" } },
    createTime: "2021-01-01T00:00:00Z",
    clientMessageId: "a",
  },
  requests: { receiver: { userId: "a" }, content: { text: { text: "x" } } },
  keys: { hs256Secret: "a secret of thirty-two bytes or more" },
  templates: { locale: "en" },
};

it("H13: RATE_LIMITED has the same code and is told apart: it may be retried, after a delay", async () => {
  const busy = await startTestServer({ settings: { sendRate: 1 }, limits: { sendBurstMessages: 5 } });
  try {
    const [tom, jerry] = [await newUser(busy, "tom"), await newUser(busy, "jerry")];
    const sends = Array.from({ length: 40 }, (_, at) => send(tom, toUser(jerry.userId), `${at}`));
    const refused = (
      await Promise.all(
        sends.map((each) =>
          each.then(
            () => undefined,
            () => refusal(each),
          ),
        ),
      )
    ).find(Boolean);
    expect(refused).toMatchObject({ code: "ResourceExhausted", reason: "RATE_LIMITED" });
    expect(refused?.detail.retryable).toBe(true);
    expect(refused?.detail.retryDelay).toBeDefined();
  } finally {
    await busy.close();
  }
});
