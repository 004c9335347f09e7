import { type Chat, inBackground } from "../model/chat.js";
import type { Thread } from "../model/thread.js";
import { setUpAsk } from "./ask.js";
import { paintAvatar } from "./avatar.js";
import { renderChats } from "./chat-list.js";
import { describeConnection } from "./connection.js";
import { byId, setText, show } from "./dom.js";
import { renderFriends } from "./friend-list.js";
import { setUpNewMenu } from "./menus.js";
import { setUpThread } from "./thread-view.js";
import { isCurrent } from "./titles.js";

const tabs = ["chats", "friends"] as const;

function selectTab(selected: (typeof tabs)[number]): void {
  for (const name of tabs) {
    const tab = byId(`tab-${name}`);
    tab.setAttribute("aria-selected", String(name === selected));
    tab.tabIndex = name === selected ? 0 : -1;
    show(byId(name), name === selected);
  }
}

/** One stop for the Tab key; the arrows go from tab to tab. */
function setUpTabs(): void {
  for (const [at, name] of tabs.entries()) {
    const tab = byId(`tab-${name}`);
    tab.addEventListener("click", () => selectTab(name));
    tab.addEventListener("keydown", ({ key }) => {
      const step = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
      const next = tabs[(at + step + tabs.length) % tabs.length];
      if (step === 0 || next === undefined) return;
      selectTab(next);
      byId(`tab-${next}`).focus();
    });
  }
  selectTab("chats");
}

function pause(chat: Chat): void {
  chat.pausedByUser = true;
  inBackground(chat, chat.client.pause());
}

function resume(chat: Chat): void {
  chat.pausedByUser = false;
  inBackground(chat, chat.client.resume());
}

function renderHead(chat: Chat): void {
  const { word, tone, banner = "", action = "" } = describeConnection(chat);
  setText(byId("my-id"), chat.names.of(chat.me));
  paintAvatar(byId("my-avatar"), `userId:${chat.me}`, chat.names.of(chat.me));
  setText(byId("connection"), word);
  byId("connection").dataset.tone = tone;
  setText(byId("pause"), chat.pausedByUser ? "Resume" : "Pause");
  byId("chat").toggleAttribute("data-stale", !isCurrent(chat));
  show(byId("banner"), banner !== "");
  setText(byId("banner-text"), banner);
  show(byId("banner-action"), action !== "");
  setText(byId("banner-action"), action);
}

function unreadTotal({ threads }: Chat): number {
  let total = 0;
  for (const { unread } of threads.values()) total += unread;
  return total;
}

/** Shows the chat and keeps it shown as it changes. */
export function showChat(chat: Chat): void {
  const thread = setUpThread(chat);
  const openThread = (opened: Thread) => thread.open(opened);

  function render(): void {
    renderHead(chat);
    renderChats(chat, openThread);
    renderFriends(chat, openThread);
    thread.render();
    const unread = unreadTotal(chat);
    document.title = unread > 0 ? `(${unread}) Parley` : "Parley";
  }

  setUpAsk();
  setUpNewMenu(chat, openThread);
  setUpTabs();
  byId("pause").addEventListener("click", () => (chat.pausedByUser ? resume(chat) : pause(chat)));
  byId("banner-action").addEventListener("click", () => resume(chat));
  show(byId("chat"), true);
  chat.on(render);
  render();
}
