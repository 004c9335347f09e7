import { type ChatMessage, MessageState, type OutgoingMessage } from "@parley/client";
import type { Chat } from "../model/chat.js";
import { senderId } from "../model/peers.js";
import { discard, progressOf, retry } from "../model/sending.js";
import type { Thread } from "../model/thread.js";
import { timeMs } from "../model/time.js";
import { explain } from "../words.js";
import { contentParts, messageParts } from "./content.js";
import { h, type Item } from "./dom.js";
import { textNodes } from "./links.js";
import { mediaElement } from "./media.js";
import { hasAuthors, type Row } from "./rows.js";
import { timeLabel } from "./when.js";

type MessageRow = Extract<Row, { kind: "message" }>;

const className = (own: boolean, first: boolean) => `message${own ? " own" : ""}${first ? " first" : ""}`;

/** A row as a child of the list. */
export function rowItem(chat: Chat, thread: Thread, row: Row): Item {
  const { key } = row;
  if (row.kind === "message") {
    const from = senderId(row.message);
    const author = from === undefined ? "System" : chat.names.of(from);
    const shown = row.first && !row.own && hasAuthors(thread) ? author : "";
    const version = [row.message.revision, row.read, row.first, shown].join();
    return { key, version, build: () => messageElement(chat, row, shown) };
  }
  if (row.kind === "outgoing") {
    const { out, first } = row;
    return {
      key,
      version: `${out.status} ${first} ${progressOf(out) ?? ""}`,
      build: () => outgoingElement(chat, thread, out, first),
    };
  }
  return { key, version: row.text, build: () => h("li", { class: row.kind }, row.text) };
}

function messageElement(chat: Chat, { message, own, read, first }: MessageRow, author: string): HTMLElement {
  if (message.content?.content.case === "notice")
    return h("li", { class: "notice" }, ...textNodes(messageParts(message)));
  const ms = timeMs(message.createTime);
  const attributes = { class: className(own, first), "data-seq": String(message.seq) };
  const time = h("time", { datetime: new Date(ms).toISOString() }, timeLabel(ms));
  const status = own ? [statusElement(read ? "read" : "sent")] : [];
  const children = [
    h("div", { class: "text", dir: "auto" }, ...messageNodes(chat, message)),
    h("div", { class: "meta" }, time, ...status),
  ];
  return h("li", attributes, ...(author ? [h("bdi", { class: "author" }, author)] : []), ...children);
}

function messageNodes(chat: Chat, message: ChatMessage): Node[] {
  const shown =
    message.state === MessageState.RECALLED || !message.content ? undefined : mediaElement(chat, message.content);
  return shown ? [shown] : textNodes(messageParts(message));
}

const statuses = {
  sending: ["◷", "Sending"],
  sent: ["✓", "Sent"],
  read: ["✓✓", "Read"],
  failed: ["!", "Not sent"],
} as const;

function statusElement(status: keyof typeof statuses): HTMLElement {
  const [sign, label] = statuses[status];
  return h("span", { class: "status", "data-status": status, role: "img", "aria-label": label, title: label }, sign);
}

function outgoingElement(chat: Chat, thread: Thread, out: OutgoingMessage, first: boolean): HTMLElement {
  const { status } = out;
  const meta = h("div", { class: "meta" }, statusElement(status));
  const percent = progressOf(out);
  if (status === "sending" && percent !== undefined) meta.prepend(h("span", { class: "progress" }, `${percent} %`));
  if (status === "failed") {
    meta.prepend(h("span", { class: "error" }, `Not sent. ${explain(out.error)}`));
    meta.append(
      h("button", { type: "button", click: () => retry(chat, thread, out) }, "Retry"),
      h("button", { type: "button", click: () => discard(chat, thread, out.clientMessageId) }, "Discard"),
    );
  }
  const text = h("div", { class: "text", dir: "auto" }, ...textNodes(contentParts(out.content)));
  return h("li", { class: `${className(true, first)} ${status}` }, text, meta);
}
