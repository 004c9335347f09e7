import type { Chat } from "../model/chat.js";
import { peerId, senderId } from "../model/peers.js";
import type { Thread } from "../model/thread.js";
import { paintAvatar } from "./avatar.js";
import { contentText, previewText } from "./content.js";
import { byId, h, type Item, reconcile } from "./dom.js";
import { threadTitle, typingText } from "./titles.js";
import { listLabel } from "./when.js";

/** Conversations that hold something, and every group and room of the user. */
function isListed(chat: Chat, thread: Thread): boolean {
  const { peer } = thread.peer;
  if (thread === chat.open) return true;
  if (peer.case === "groupId") return chat.groups.has(peer.value);
  if (peer.case === "roomId") return chat.rooms.has(peer.value);
  return thread.last !== undefined || thread.outgoing.length > 0;
}

function preview(chat: Chat, thread: Thread): string {
  const { last } = thread;
  const typing = typingText(chat, thread);
  if (typing) return typing;
  const out = thread.outgoing.at(-1);
  if (out) return `${out.status === "failed" ? "Not sent" : "You"}: ${contentText(out.content)}`;
  if (!last) return thread.notices.at(-1)?.text ?? "No messages yet";
  const from = senderId(last);
  const author = from === chat.me ? "You" : from === undefined ? "System" : chat.names.of(from);
  const named = from === chat.me || thread.peer.peer.case === "groupId" || thread.peer.peer.case === "roomId";
  return named ? `${author}: ${previewText(last)}` : previewText(last);
}

/** A mark for the kind of thread, as its face is round for users only. */
export function avatarOf(chat: Chat, thread: Thread, element: HTMLElement): HTMLElement {
  const { peer } = thread.peer;
  const shape = peer.case === "groupId" ? "group" : peer.case === "roomId" ? "room" : "";
  paintAvatar(element, thread.key, peer.case === "roomId" ? "#" : threadTitle(chat, thread), shape);
  if (peer.case === "userId" && chat.friends.has(peer.value)) element.append(presenceDot(chat, peer.value));
  return element;
}

/** Whether a friend is online, as last heard. */
export function presenceDot(chat: Chat, userId: string): HTMLElement {
  const online = chat.online.has(userId);
  const label = online ? "online" : "offline";
  return h("span", { class: `dot ${label}`, role: "img", "aria-label": label, title: label });
}

function chatItem(chat: Chat, thread: Thread, openThread: (thread: Thread) => void): Item {
  const title = threadTitle(chat, thread);
  const text = preview(chat, thread);
  const time = listLabel(thread.activeMs, Date.now());
  const looking = thread === chat.open && document.visibilityState === "visible";
  const unread = looking ? 0 : thread.unread;
  const online = chat.online.has(peerId(thread.peer));
  const current = thread === chat.open;
  const face = () => avatarOf(chat, thread, h("span"));
  const build = () => {
    const line = h("span", { class: "line" }, h("bdi", { class: "name" }, title), h("time", {}, time));
    const below = h("span", { class: "line" }, h("span", { class: "preview" }, text));
    if (unread > 0) below.append(h("span", { class: "badge", "aria-label": `${unread} unread` }, String(unread)));
    const lines = h("span", { class: "lines" }, line, below);
    const button = h("button", { type: "button", click: () => openThread(thread) }, face(), lines);
    if (current) button.setAttribute("aria-current", "true");
    return h("li", { "data-thread": thread.key }, button);
  };
  const isFriend = chat.friends.has(peerId(thread.peer));
  return { key: thread.key, version: JSON.stringify([title, text, time, unread, online, isFriend, current]), build };
}

/** Shows the conversations, the liveliest first. */
export function renderChats(chat: Chat, openThread: (thread: Thread) => void): void {
  const listed = [...chat.threads.values()].filter((thread) => isListed(chat, thread));
  listed.sort((a, b) => b.activeMs - a.activeMs || (a.key < b.key ? -1 : 1));
  const items = listed.map((thread) => chatItem(chat, thread, openThread));
  const empty = {
    key: "",
    version: "",
    build: () => h("li", { class: "hint" }, "No conversations yet. Begin one with New."),
  };
  reconcile(byId("chats").firstElementChild as Element, items.length > 0 ? items : [empty]);
}
