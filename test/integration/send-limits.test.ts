import { fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { refusal, startTestServer, type TestServer } from "../support/index.js";
import { count, newPair, type SendInit, say, send, text, toUser } from "../support/messaging.js";
import { refused } from "./watching.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const tooLarge = (field: string, limit: number) => ({
  code: "ResourceExhausted",
  reason: "TOO_LARGE",
  field,
  limit: String(limit),
});

describe("limits, at the edge and one past it", () => {
  const structOf = (bytes: number): JsonObject => {
    // In two halves, so that no length is near where its own encoding grows.
    const filled = (length: number) => ({ a: "x".repeat(8000), b: "x".repeat(length) });
    const sizeOf = (value: JsonObject) => toBinary(StructSchema, fromJson(StructSchema, value)).length;
    const made = filled(8000 + bytes - sizeOf(filled(8000)));
    if (sizeOf(made) !== bytes) throw new Error("the struct has another size");
    return made;
  };
  const deep = (levels: number): JsonObject => (levels === 1 ? { x: 1 } : { x: deep(levels - 1) });
  const custom = (data: JsonObject): SendInit => ({
    content: { content: { case: "custom", value: { type: "t", data } } },
  });
  const cases: [string, SendInit, SendInit, object][] = [
    [
      "text, in bytes",
      { content: text("x".repeat(8192)) },
      { content: text("x".repeat(8193)) },
      tooLarge("content.text.text", 8192),
    ],
    [
      "text of wide characters",
      { content: text("é".repeat(4096)) },
      { content: text("漢".repeat(2731)) },
      tooLarge("content.text.text", 8192),
    ],
    ["remark", { remark: "r".repeat(1024) }, { remark: "r".repeat(1025) }, tooLarge("remark", 1024)],
    [
      "attributes, in bytes",
      { attributes: structOf(16_384) },
      { attributes: structOf(16_385) },
      tooLarge("attributes", 16_384),
    ],
    ["attributes, in levels", { attributes: deep(16) }, { attributes: deep(17) }, tooLarge("attributes", 16)],
    [
      "custom data, in bytes",
      custom(structOf(16_384)),
      custom(structOf(16_385)),
      tooLarge("content.custom.data", 16_384),
    ],
    ["custom data, in levels", custom(deep(16)), custom(deep(17)), tooLarge("content.custom.data", 16)],
    [
      "mentions",
      { mentions: { userIds: count(50).map(String) } },
      { mentions: { userIds: count(51).map(String) } },
      tooLarge("mentions.user_ids", 50),
    ],
    [
      "client_message_id",
      { clientMessageId: "c".repeat(64) },
      { clientMessageId: "c".repeat(65) },
      { code: "InvalidArgument", reason: "INVALID_FIELD", field: "client_message_id" },
    ],
  ];
  test.each(cases)("%s", async (_, edge, past, refusalPast) => {
    const [tom, jerry] = await newPair(server);
    const stored = await say(tom, toUser(jerry.userId), "x", edge);
    expect(await refused(send(tom, toUser(jerry.userId), "x", past))).toEqual(refusalPast);
    expect((await jerry.rpc.history.listMessages({ peer: toUser(tom.userId) })).messages).toEqual([stored]);
  });

  test("NUL is refused in every text, naming the field", async () => {
    const [tom, jerry] = await newPair(server);
    const places: [string, SendInit][] = [
      ["content.text.text", { content: text("a\0b") }],
      ["remark", { remark: "\0" }],
      ["attributes", { attributes: { key: { list: ["a\0"] } } }],
      ["attributes", { attributes: { "k\0": 1 } }],
      ["content.custom.data", custom({ a: "\0" })],
      ["push.title", { push: { title: "\0" } }],
    ];
    for (const [field, rest] of places)
      expect(await refused(send(tom, toUser(jerry.userId), "x", rest))).toEqual({
        code: "InvalidArgument",
        reason: "INVALID_FIELD",
        field,
      });
  });

  test("sends a second for one user, saying when to come back", async () => {
    const clock = fakeClock();
    const own = await startTestServer({ clock, settings: { sendRate: 2 }, limits: { sendBurstMessages: 5 } });
    const [tom, jerry] = await newPair(own);
    const hi = () => send(tom, toUser(jerry.userId), "hi");
    for (const _ of count(5)) await hi();
    const { code, reason, detail } = await refusal(hi());
    expect([code, reason, detail.retryable]).toEqual(["ResourceExhausted", "RATE_LIMITED", true]);
    expect(detail.retryDelay).toMatchObject({ seconds: 0n, nanos: 500_000_000 });
    expect((await say(jerry, toUser(tom.userId), "others may")).seq).toBe(6);
    clock.advance(500);
    await hi();
    expect((await refusal(hi())).reason).toBe("RATE_LIMITED");
    await own.close();
  });
});
