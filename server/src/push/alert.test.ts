import { create, fromJson } from "@bufbuild/protobuf";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { PeerSchema, SenderSchema } from "@parley/proto/parley/v1/peer_pb.js";
import { PushOptionsSchema } from "@parley/proto/parley/v1/push_options_pb.js";
import { PushTemplatesSchema } from "@parley/proto/parley/v1/push_templates_pb.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "../limits.js";
import { pushIdOf } from "../store/push-id.js";
import { type AlertFacts, alertOf, cut, PUSH_FORM_BYTES, PUSH_MOST_BYTES, pushBytes } from "./alert.js";

type Options = Parameters<typeof create<typeof PushOptionsSchema>>[1];

const toJerry = { case: "userId" as const, value: "Jerry" };
const toCats = { case: "groupId" as const, value: "cats" };

function facts(
  text: string,
  options?: Options,
  rest: Partial<AlertFacts> = {},
  peer: typeof toJerry | typeof toCats = toJerry,
  senderId = "Tom",
): AlertFacts {
  const message = create(ChatMessageSchema, {
    messageId: "m1",
    conversationId: "d:Jerry:Tom",
    seq: 7,
    sender: { sender: { case: "userId", value: "Tom" } },
    receiver: { peer },
    content: { content: { case: "text", value: { text } } },
  });
  return {
    appId: "app",
    installationId: "phone",
    locale: "en",
    said: { message, senderId, saidMs: 1, options: options && create(PushOptionsSchema, options) },
    names: { sender: "Tom", group: "" },
    templates: undefined,
    unread: 3,
    expireMs: 9,
    ...rest,
  };
}

describe("a push", () => {
  test("shows the text to whom it is for, and says what it is of", () => {
    const { data, ...push } = alertOf(facts("hello"));
    expect(push).toEqual({
      pushId: pushIdOf("m1", "phone"),
      collapseId: "m1",
      title: "Tom",
      body: "hello",
      sound: "default",
      badge: 3,
      contentAvailable: false,
      threadId: "d:Jerry:Tom",
      expireMs: 9,
    });
    expect(data).toMatchObject({
      v: 1,
      app_id: "app",
      conversation_id: "d:Jerry:Tom",
      message_id: "m1",
      seq: 7,
      sender: { userId: "Tom" },
      receiver: { userId: "Jerry" },
      push_id: push.pushId,
    });
    expect(fromJson(ChatMessageSchema, data.message as never)).toEqual(facts("hello").said.message);
  });

  test("says what its sender wishes: prefix + body or text + suffix, title, sound, badge, collapse key", () => {
    const around = { prefix: "<", suffix: ">" };
    expect(alertOf(facts("hello", around)).body).toBe("<hello>");
    expect(alertOf(facts("hello", { ...around, bodyOverride: "secret" })).body).toBe("<secret>");
    const wishes = { title: "News", sound: "ping", badge: 0, contentAvailable: true, collapseKey: "one" };
    const { title, sound, badge, contentAvailable, collapseId } = alertOf(facts("hello", wishes));
    expect([title, sound, badge, contentAvailable, collapseId]).toEqual(["News", "ping", 0, true, "one"]);
  });

  test("is worded by the app, for one user, for a group and for the system", () => {
    const templates = create(PushTemplatesSchema, {
      templates: [
        {
          locale: "en",
          direct: { title: "From {sender}", body: "* {text}" },
          group: { title: "In {group}", body: "{sender} says {text}" },
          system: { title: "Attention" },
        },
      ],
    });
    const direct = alertOf(facts("hi", { prefix: "!" }, { templates }));
    expect([direct.title, direct.body]).toEqual(["From Tom", "* !hi"]);
    const names = { sender: "Tommy", group: "Cats" };
    const group = alertOf(facts("hi", undefined, { templates, names }, toCats));
    expect([group.title, group.body]).toEqual(["In Cats", "Tommy says hi"]);
    const system = alertOf(facts("hi", undefined, { templates }, toJerry, ""));
    expect([system.title, system.body]).toEqual(["Attention", "hi"]);
  });

  test("leaves the message out when it does not fit, and cuts the body last", () => {
    const short = alertOf(facts("a".repeat(800)));
    expect(short.data.message).toBeDefined();
    const middle = alertOf(facts("a".repeat(2_500)));
    expect(middle.data.message).toBeUndefined();
    expect(middle.body).toBe("a".repeat(2_500));
    const long = alertOf(facts("a".repeat(8_192)));
    expect(long.body).toMatch(/^a+…$/);
    expect(pushBytes(long)).toBeLessThanOrEqual(PUSH_MOST_BYTES);
    expect(pushBytes(long)).toBeGreaterThan(PUSH_MOST_BYTES - 8);
    expect(PUSH_MOST_BYTES + PUSH_FORM_BYTES).toBe(LIMITS.pushPayloadBytes);
  });

  test("stays within its bytes whatever is in it", () => {
    // A character takes four bytes at most; some take more inside JSON.
    const any = fc.integer({ min: 1, max: 0x10f7ff }).map((n) => String.fromCodePoint(n < 0xd800 ? n : n + 0x800));
    const character = fc.oneof(any, fc.constantFrom('"', "\\", "\u0001", "a"));
    const bytes = (most: number) =>
      fc.array(character, { maxLength: most / 4, size: "max" }).map((characters) => characters.join(""));
    const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/);
    fc.assert(
      fc.property(bytes(8192), bytes(256), bytes(64), bytes(64), id, id, (text, title, sound, collapseKey, a, b) => {
        const base = facts(text, { title, sound, collapseKey, prefix: title, suffix: title });
        base.said.message.conversationId = `d:${a}:${b}`;
        base.said.message.sender = create(SenderSchema, { sender: { case: "userId", value: a } });
        base.said.message.receiver = create(PeerSchema, { peer: { case: "userId", value: b } });
        const push = alertOf({ ...base, names: { sender: a, group: "" } });
        expect(pushBytes(push)).toBeLessThanOrEqual(PUSH_MOST_BYTES);
        // Nothing was cut in two.
        expect(encodeURIComponent(push.title + push.body)).toBeDefined();
      }),
      { numRuns: 100 },
    );
  });
});

describe("a text that is cut", () => {
  test.each([
    ["hello", 5, "hello"],
    ["hello!", 5, "he…"],
    ["😀😀", 8, "😀😀"],
    ["😀😀", 7, "😀…"],
    ["😀😀", 6, "…"],
    ['"""', 6, '"""'],
    ['"""', 5, '"…'],
    ["", 0, ""],
  ])("%s in %i bytes is %s", (text, bytes, shown) => {
    expect(cut(text, bytes)).toBe(shown);
  });
});
