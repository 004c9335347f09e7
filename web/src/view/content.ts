import { type ChatMessage, type MessageContent, MessageState } from "@parley/client";
import { splitLinks, type TextPart, webAddress } from "./links.js";

const mediaWords = { image: "Image", audio: "Sound", video: "Video", file: "File" };

/** What a message says. Media are links: nothing is loaded from elsewhere by itself. */
export function contentParts({ content }: MessageContent): TextPart[] {
  switch (content.case) {
    case "text":
      return splitLinks(content.value.text);
    case "image":
    case "audio":
    case "video":
    case "file": {
      const text = `${mediaWords[content.case]}: ${content.value.fileName || content.value.url || content.value.attachmentId}`;
      const href = webAddress(content.value.url);
      return [href === undefined ? { text } : { text, href }];
    }
    case "location":
      return [{ text: `Place: ${content.value.name} (${content.value.latitude}, ${content.value.longitude})` }];
    case "custom":
      return splitLinks(content.value.fallbackText || `(${content.value.type})`);
    case "notice":
      return splitLinks(content.value.text);
    default:
      return [{ text: "(this version cannot show this)" }];
  }
}

export function messageParts(message: ChatMessage): TextPart[] {
  if (message.state === MessageState.DELETED) return [{ text: "Message of a deleted user" }];
  if (message.state === MessageState.RECALLED || !message.content) return [{ text: "Message recalled" }];
  return contentParts(message.content);
}

/** One line for the list of conversations. */
export function previewText(message: ChatMessage): string {
  return oneLine(messageParts(message));
}

export function contentText(content: MessageContent): string {
  return oneLine(contentParts(content));
}

function oneLine(parts: readonly TextPart[]): string {
  return parts
    .map(({ text }) => text)
    .join("")
    .slice(0, 200);
}
