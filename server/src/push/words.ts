import type { MessageContent } from "@parley/proto/parley/v1/message_content_pb.js";
import type { PushPlaceholders, PushTemplate, PushTemplates } from "@parley/proto/parley/v1/push_templates_pb.js";

/** What a push is about, for its words. */
export type PushKind = "direct" | "group" | "system";

type Placeholder = Exclude<keyof PushPlaceholders, `$${string}`>;

/** The words of pushes in one language, complete. */
export interface Words extends Record<PushKind, { title: string; body: string }> {
  placeholders: Record<Placeholder, string>;
  sound: string;
}

const direct = { title: "{sender}", body: "{text}" };
const group = { title: "{group}", body: "{sender}: {text}" };
const system = (title: string) => ({ title, body: "{text}" });

/** What Parley says by itself. */
const BUILT_IN: Record<string, Words> = {
  en: {
    direct,
    group,
    system: system("Notification"),
    placeholders: {
      image: "[Image]",
      audio: "[Voice]",
      video: "[Video]",
      file: "[File]",
      location: "[Location]",
      custom: "[Message]",
    },
    sound: "default",
  },
  "zh-hans": {
    direct,
    group: { title: "{group}", body: "{sender}：{text}" },
    system: system("通知"),
    placeholders: {
      image: "[图片]",
      audio: "[语音]",
      video: "[视频]",
      file: "[文件]",
      location: "[位置]",
      custom: "[消息]",
    },
    sound: "default",
  },
  "zh-hant": {
    direct,
    group: { title: "{group}", body: "{sender}：{text}" },
    system: system("通知"),
    placeholders: {
      image: "[圖片]",
      audio: "[語音]",
      video: "[影片]",
      file: "[檔案]",
      location: "[位置]",
      custom: "[訊息]",
    },
    sound: "default",
  },
};

const FALLBACK = "en";

/** The tags under which the words for a locale are looked for, the closest first: the tag itself, shortened part by part; Chinese by its script too. */
export function lookupTags(locale: string): string[] {
  const parts = locale
    .toLowerCase()
    .split(/[-_]/)
    .filter((part) => part !== "");
  const tags = parts.map((_, at) => parts.slice(0, parts.length - at).join("-"));
  if (parts[0] !== "zh" || parts[1] === "hans" || parts[1] === "hant") return tags;
  const traditional = parts.some((part) => part === "tw" || part === "hk" || part === "mo");
  return [...tags.slice(0, -1), traditional ? "zh-hant" : "zh-hans", "zh"];
}

/** The words for an installation's locale: the app's where it has them, and Parley's own for the rest. */
export function wordsFor(templates: PushTemplates | undefined, locale: string): Words {
  const own = new Map((templates?.templates ?? []).map((one) => [normalized(one.locale), one]));
  const wanted = [...lookupTags(locale), ...lookupTags(templates?.defaultLocale ?? ""), FALLBACK];
  const tag = wanted.find((candidate) => own.has(candidate) || candidate in BUILT_IN) ?? FALLBACK;
  const template = own.get(tag);
  const rest = [tag, ...lookupTags(tag), FALLBACK].find((candidate) => candidate in BUILT_IN) ?? FALLBACK;
  return merged(template, BUILT_IN[rest] as Words);
}

const normalized = (locale: string) => locale.toLowerCase().replaceAll("_", "-");

function merged(template: PushTemplate | undefined, rest: Words): Words {
  if (template === undefined) return rest;
  const words = (kind: PushKind) => ({
    title: template[kind]?.title || rest[kind].title,
    body: template[kind]?.body || rest[kind].body,
  });
  const placeholders = Object.fromEntries(
    Object.entries(rest.placeholders).map(([name, text]) => [
      name,
      template.placeholders?.[name as Placeholder] || text,
    ]),
  ) as Words["placeholders"];
  return {
    direct: words("direct"),
    group: words("group"),
    system: words("system"),
    placeholders,
    sound: template.sound || rest.sound,
  };
}

/** The text of a content as a push shows it. */
export function textOf(content: MessageContent | undefined, { placeholders }: Words): string {
  const { content: one } = content ?? {};
  switch (one?.case) {
    case "text":
      return one.value.text;
    case "custom":
      return one.value.fallbackText || placeholders.custom;
    case "image":
    case "audio":
    case "video":
    case "file":
      return placeholders[one.case];
    case "location":
      return one.value.name === "" ? placeholders.location : `${placeholders.location} ${one.value.name}`;
    default:
      return placeholders.custom;
  }
}

/** Puts values in for the words in braces; what a value holds in braces stays as it is. */
export function filled(template: string, values: Record<"sender" | "group" | "text", string>): string {
  return template.replace(/\{(sender|group|text)\}/g, (_, name: keyof typeof values) => values[name]);
}
