import type { MessageContent } from "@parley/client";
import { attachmentOf } from "../model/attachments.js";
import { type Chat, inBackground } from "../model/chat.js";
import { contentText } from "./content.js";
import { h } from "./dom.js";

/** The longer side of a picture in a conversation, in CSS pixels: what thumbnails have. */
const sidePixels = 128;

/** What shows an attachment and saves it when it is chosen; undefined for a content without one. */
export function mediaElement(chat: Chat, content: MessageContent): HTMLElement | undefined {
  const inner = content.content;
  if (inner.case !== "image" && inner.case !== "audio" && inner.case !== "video" && inner.case !== "file")
    return undefined;
  const { attachmentId, fileName, sizeBytes, width, height } = inner.value;
  if (attachmentId === "") return undefined;
  const save = () => inBackground(chat, saveAttachment(chat, attachmentId, fileName));
  const label = `${contentText(content)} (${sizeLabel(sizeBytes)})`;
  const button = h("button", { type: "button", class: "media", title: `Save ${label}`, click: save }, label);
  if (inner.case === "image") void showPicture(chat, button, attachmentId, label, { width, height });
  return button;
}

/** Puts a picture in the place of its name. Its size is known before it is there, so nothing moves then. */
async function showPicture(
  chat: Chat,
  button: HTMLElement,
  attachmentId: string,
  alt: string,
  { width, height }: { width: number; height: number },
): Promise<void> {
  const scale = Math.min(1, sidePixels / Math.max(width, height, 1));
  const size = { width: String(Math.round(width * scale)), height: String(Math.round(height * scale)) };
  const picture = h("img", { alt, ...(width > 0 && size) });
  picture.addEventListener("error", () => button.replaceChildren(alt));
  if (width > 0) button.replaceChildren(picture);
  try {
    const { thumbnailUrl } = await attachmentOf(chat, attachmentId);
    if (thumbnailUrl === "") button.replaceChildren(alt);
    else picture.src = thumbnailUrl;
  } catch {
    // It is gone, or the server cannot be reached: choosing it tells which.
    button.replaceChildren(alt);
  }
}

async function saveAttachment(chat: Chat, attachmentId: string, fileName: string): Promise<void> {
  const { url } = await attachmentOf(chat, attachmentId);
  h("a", { href: url, download: fileName }).click();
}

function sizeLabel(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
