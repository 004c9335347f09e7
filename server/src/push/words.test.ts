import { create } from "@bufbuild/protobuf";
import { MessageContentSchema } from "@parley/proto/parley/v1/message_content_pb.js";
import { PushTemplatesSchema } from "@parley/proto/parley/v1/push_templates_pb.js";
import { describe, expect, test } from "vitest";
import { filled, lookupTags, textOf, wordsFor } from "./words.js";

const templates = create(PushTemplatesSchema, {
  defaultLocale: "fr",
  templates: [
    { locale: "fr", direct: { title: "Message de {sender}" } },
    { locale: "en_GB", direct: { body: "I say: {text}" }, sound: "bell" },
    { locale: "zh-Hant", placeholders: { image: "〔圖〕" } },
  ],
});

describe("the language of a push", () => {
  test.each([
    ["en-GB", ["en-gb", "en"]],
    ["zh-CN", ["zh-cn", "zh-hans", "zh"]],
    ["zh_TW", ["zh-tw", "zh-hant", "zh"]],
    ["zh-HK", ["zh-hk", "zh-hant", "zh"]],
    ["zh", ["zh-hans", "zh"]],
    ["zh-Hant-CN", ["zh-hant-cn", "zh-hant", "zh"]],
    ["", []],
  ])("%s is looked for as itself, then wider", (locale, tags) => {
    expect(lookupTags(locale)).toEqual(tags);
  });

  test("is the closest that the app or Parley has, and then the app's default", () => {
    expect(wordsFor(undefined, "en-US").placeholders.image).toBe("[Image]");
    expect(wordsFor(undefined, "zh-CN").placeholders.image).toBe("[图片]");
    expect(wordsFor(undefined, "zh-MO").placeholders.image).toBe("[圖片]");
    expect(wordsFor(undefined, "zh").placeholders.image).toBe("[图片]");
    expect(wordsFor(undefined, "sw").placeholders.image).toBe("[Image]");
    expect(wordsFor(templates, "en-GB").sound).toBe("bell");
    expect(wordsFor(templates, "en-US").sound).toBe("default");
    expect(wordsFor(templates, "sw").direct.title).toBe("Message de {sender}");
    expect(wordsFor(templates, "").direct.title).toBe("Message de {sender}");
  });

  test("what an app's template leaves out is said as Parley says it", () => {
    expect(wordsFor(templates, "fr").direct).toEqual({ title: "Message de {sender}", body: "{text}" });
    expect(wordsFor(templates, "fr").group.body).toBe("{sender}: {text}");
    expect(wordsFor(templates, "zh-TW").placeholders).toMatchObject({ image: "〔圖〕", video: "[影片]" });
    expect(wordsFor(templates, "en-GB").direct.title).toBe("{sender}");
  });
});

describe("the text of a push", () => {
  const words = wordsFor(undefined, "en");
  const text = (content: object) => textOf(create(MessageContentSchema, { content: content as never }), words);

  test("is the message's own, or stands for what has none", () => {
    expect(text({ case: "text", value: { text: "hello" } })).toBe("hello");
    for (const [kind, shown] of [
      ["image", "[Image]"],
      ["audio", "[Voice]"],
      ["video", "[Video]"],
      ["file", "[File]"],
    ] as const)
      expect(text({ case: kind, value: { url: "https://x.example/a" } })).toBe(shown);
    expect(text({ case: "location", value: {} })).toBe("[Location]");
    expect(text({ case: "location", value: { name: "Paris" } })).toBe("[Location] Paris");
    expect(text({ case: "custom", value: { type: "dice", fallbackText: "You rolled 6" } })).toBe("You rolled 6");
    expect(text({ case: "custom", value: { type: "dice" } })).toBe("[Message]");
    expect(textOf(undefined, words)).toBe("[Message]");
  });

  test("is put in once: what it holds in braces stays", () => {
    const values = { sender: "{text}", group: "$&", text: "{sender} {group} $1" };
    expect(filled("{sender} in {group}: {text}", values)).toBe("{text} in $&: {sender} {group} $1");
  });
});
