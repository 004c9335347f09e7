import { inspect } from "node:util";
import { create, type DescField, type DescMessage, getOption, toJsonString } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { FieldRulesSchema, field as fieldOption } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { MarkReadRequestSchema } from "@parley/proto/parley/v1/conversation_service_pb.js";
import { ListMessagesRequestSchema } from "@parley/proto/parley/v1/history_service_pb.js";
import {
  AckEventsRequestSchema,
  ListEventsRequestSchema,
  SendMessageRequestSchema,
  SendMessagesRequestSchema,
  SetTypingRequestSchema,
  SubscribeRequestSchema,
} from "@parley/proto/parley/v1/message_service_pb.js";
import { expect, test } from "vitest";
import { longTimeout, seed as newSeed } from "../../../test/support/proofs/tier.js";
import { randomFrom } from "../../../test/support/random.js";
import { requestByChance } from "../../../test/support/request-by-chance.js";
import { surelyValid } from "./fast-rules.js";
import { SERVICES } from "./router.js";

const validator = createValidator({ regexMatch: (pattern, text) => new RegExp(pattern, "u").test(text) });

/** The rules that must be seen broken by messages that break nothing else: who forgets one of them then accepts such a message. */
const BREAKABLE = [
  "double.gte_lte",
  "duration.gte_lte",
  "enum.defined_only",
  "enum.not_in",
  "int32.gte_lte",
  "repeated.max_items",
  "repeated.min_items",
  "required",
  "string.max_bytes",
  "string.max_len",
  "string.min_bytes",
  "string.min_len",
  "string.pattern",
  "timestamp.gte_lte",
  "uint32.gte_lte",
];

test("what is surely valid is valid, for every request of the contract and whatever is in one", {
  timeout: longTimeout,
}, () => {
  const seed = newSeed();
  const next = randomFrom(seed);
  const unbroken = new Set(BREAKABLE);
  let [runs, sure] = [0, 0];
  const run = (schema: DescMessage, odd?: () => boolean) => {
    const message = create(schema, requestByChance(schema, next, odd));
    const isSure = surelyValid(schema, message);
    const result = validator.validate(schema, message);
    runs += 1;
    if (isSure) sure += 1;
    if (result.kind === "invalid" && result.violations.length === 1)
      unbroken.delete(result.violations[0]?.ruleId ?? "");
    if (isSure && result.kind !== "valid")
      expect.fail(`PARLEY_SEED=${seed}: ${schema.typeName} is not valid: ${inspect(message, { depth: 9 })}`);
  };
  /** With one odd value, so that one rule decides. */
  const runWithOne = (schema: DescMessage) => {
    let before = Math.floor(next() * valuesOf(schema));
    run(schema, () => before-- === 0);
  };
  const types = typesOf(SERVICES.flatMap(({ methods }) => methods.map(({ input }) => input)));
  for (const schema of types)
    for (let times = 0; times < 12; times++) {
      run(schema);
      run(schema, () => next() < 0.2);
      runWithOne(schema);
      runWithOne(schema);
    }
  // Until each rule was decisive.
  for (const rule of unbroken) {
    const having = types.filter((schema) => schema.fields.some((field) => hasRule(field, rule)));
    for (let times = 0; times < 2000 && unbroken.has(rule); times++) having.forEach(runWithOne);
  }
  expect([...unbroken], `PARLEY_SEED=${seed}`).toEqual([]);
  expect(sure, `PARLEY_SEED=${seed}`).toBeGreaterThan(runs / 3);
});

/** These types and all that are in them. */
function typesOf(schemas: readonly DescMessage[]): DescMessage[] {
  const types = new Set(schemas);
  for (const { fields } of types)
    for (const { message } of fields) if (message?.file.proto.package === "parley.v1") types.add(message);
  return [...types];
}

/** How many values a message has, about. */
function valuesOf(schema: DescMessage, depth = 0): number {
  if (depth > 2) return 1;
  return schema.fields.reduce((sum, { message }) => sum + 1 + (message ? valuesOf(message, depth + 1) : 0), 0);
}

function hasRule(field: DescField, rule: string): boolean {
  const word = rule.replace(".gte_lte", "").replace(/^.*\./, "");
  const rules = toJsonString(FieldRulesSchema, getOption(field, fieldOption), { useProtoFieldName: true });
  return rules.includes(`"${word}"`);
}

const toTom = { peer: { case: "userId", value: "tom" } } as const;
const hello = { content: { case: "text", value: { text: "Grüße 😀" } } } as const;
const sent = { receiver: toTom, content: hello, clientMessageId: "0190f0a2-9f0e-7222-8333-444455556666" };
const moment = { seconds: 1_700_000_000n, nanos: 5 };

/** Ordinary requests of many: were one of them not surely valid, it would only be slower, and nobody would see it. */
const HOT: readonly [name: string, schema: DescMessage, request: Record<string, unknown>][] = [
  ["SendMessage", SendMessageRequestSchema, sent],
  ["SendMessage to a room", SendMessageRequestSchema, { ...sent, receiver: { peer: { case: "roomId", value: "r1" } } }],
  ["SendMessage with everything", SendMessageRequestSchema, { ...sent, ...everything() }],
  ["SendMessage of a custom content", SendMessageRequestSchema, { ...sent, content: custom() }],
  ["SendMessage of a place", SendMessageRequestSchema, { ...sent, content: place() }],
  ["SendMessages", SendMessagesRequestSchema, { requests: Array.from({ length: 100 }, () => sent) }],
  ["AckEvents", AckEventsRequestSchema, { cursor: "AQAAAA".repeat(8) }],
  ["AckEvents, a sign of life", AckEventsRequestSchema, {}],
  ["Subscribe", SubscribeRequestSchema, { cursor: "AQAAAA", presence: 1, kinds: [1, 2, 3] }],
  ["Subscribe from now on", SubscribeRequestSchema, {}],
  ["ListMessages", ListMessagesRequestSchema, { peer: toTom, pageSize: 50, pageToken: "next" }],
  ["ListMessages by time", ListMessagesRequestSchema, { peer: toTom, position: { case: "beforeTime", value: moment } }],
  ["ListMessages by seq", ListMessagesRequestSchema, { peer: toTom, position: { case: "beforeSeq", value: 7 } }],
  ["ListEvents", ListEventsRequestSchema, { cursor: "AQAAAA", pageSize: 100, wait: { seconds: 25n, nanos: 0 } }],
  ["MarkRead", MarkReadRequestSchema, { peer: toTom, readSeq: 7 }],
  ["SetTyping", SetTypingRequestSchema, { peer: toTom, typing: true }],
];

test.each(HOT)("%s is surely valid", (_, schema, request) => {
  expect(surelyValid(schema, create(schema, request))).toBe(true);
});

test("what only the validator knows, and what a rule forbids, is not", () => {
  const image = { content: { case: "image", value: { url: "https://x.example/a.png" } } };
  const sure = (request: Record<string, unknown>) =>
    surelyValid(SendMessageRequestSchema, create(SendMessageRequestSchema, request));
  expect(sure({ ...sent, content: image })).toBe(false);
  expect(sure({ ...sent, receiver: undefined })).toBe(false);
  expect(sure({ ...sent, receiver: {} })).toBe(false);
  expect(sure({ ...sent, receiver: { peer: { case: "userId", value: "" } } })).toBe(false);
  expect(sure({ ...sent, clientMessageId: "a\n" })).toBe(false);
});

function everything() {
  return {
    remark: "r".repeat(1024),
    attributes: { list: [1, null, { deep: true }], "": "😀" },
    replyToMessageId: "m1",
    mentions: { userIds: ["ann", "bob"], everyone: true },
    push: { title: "t", badge: 0, sound: "ping", collapseKey: "k" },
    transient: true,
  };
}

function custom() {
  return { content: { case: "custom", value: { type: "poll", data: { votes: [1, 2] }, fallbackText: "a poll" } } };
}

function place() {
  return { content: { case: "location", value: { latitude: -90, longitude: 180, name: "pole" } } };
}
