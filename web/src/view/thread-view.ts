import { type Chat, inBackground } from "../model/chat.js";
import { loadOlder, mayLoad } from "../model/history.js";
import { peerId } from "../model/peers.js";
import { markRead } from "../model/reading.js";
import type { Thread } from "../model/thread.js";
import { avatarOf } from "./chat-list.js";
import { setUpComposer } from "./composer.js";
import { byId, reconcile, setText, show } from "./dom.js";
import { fillThreadMenu } from "./menus.js";
import { rowItem } from "./row-elements.js";
import { rowsOf } from "./rows.js";
import { setUpScroll } from "./scroll.js";
import { threadSubtitle, threadTitle, typingText } from "./titles.js";

/** The conversation that is open. */
export interface ThreadView {
  open(thread: Thread): void;
  close(): void;
  render(): void;
}

export function setUpThread(chat: Chat): ThreadView {
  const scroll = setUpScroll(older, look);
  const composer = setUpComposer(chat, scroll.toEnd);
  byId("to-end").addEventListener("click", scroll.toEnd);
  byId("back").addEventListener("click", close);
  document.addEventListener("visibilitychange", look, { signal: chat.ended });
  byId("thread-menu").addEventListener("beforetoggle", () => chat.open && fillThreadMenu(chat, chat.open, close));

  function older(): void {
    if (chat.open && mayLoad(chat.open)) inBackground(chat, loadOlder(chat, chat.open));
  }

  /** What is in sight is read. */
  function look(): void {
    show(byId("to-end"), !scroll.atEnd);
    if (chat.open && scroll.atEnd && document.visibilityState === "visible") markRead(chat, chat.open);
  }

  function close(): void {
    chat.open = undefined;
    byId("chat").dataset.pane = "list";
    chat.changed();
  }

  function render(): void {
    const { open } = chat;
    show(byId("empty"), !open);
    if (!show(byId("thread"), open !== undefined) || !open) return;
    setText(byId("thread-title"), threadTitle(chat, open));
    setText(byId("thread-subtitle"), threadSubtitle(chat, open));
    setText(byId("typing"), typingText(chat, open));
    avatarOf(chat, open, byId("thread-avatar"));
    show(byId("thread-more"), peerId(open.peer) !== "");
    show(byId("composer"), peerId(open.peer) !== "");
    const rows = rowsOf(open, chat.me, Date.now());
    scroll.keep(() =>
      reconcile(
        byId("messages"),
        rows.map((row) => rowItem(chat, open, row)),
      ),
    );
    look();
  }

  return {
    open(thread) {
      if (chat.open !== thread) {
        thread.newAfterSeq = thread.unread > 0 ? thread.readSeq : undefined;
        chat.open = thread;
        byId("messages").replaceChildren();
        composer.openThread(thread);
      }
      byId("chat").dataset.pane = "thread";
      scroll.toEnd();
      render();
      older();
      chat.changed();
    },
    close,
    render,
  };
}
