import type { Chat } from "../model/chat.js";
import { sendFile, sendText } from "../model/sending.js";
import type { Thread } from "../model/thread.js";
import { createTypingTeller } from "../model/typing.js";
import { byId } from "./dom.js";

/** The box to write in. */
export interface Composer {
  /** Another thread is open: what was begun in this one waits for its return. */
  openThread(thread: Thread): void;
}

export function setUpComposer(chat: Chat, onSent: () => void): Composer {
  const form = byId<HTMLFormElement>("composer");
  const box = byId<HTMLTextAreaElement>("text");
  const picker = byId<HTMLInputElement>("file");
  const drafts = new Map<string, string>();
  const tellTyping = createTypingTeller(chat);
  let current: Thread | undefined;

  function send(): void {
    const text = box.value;
    if (!current || text.trim() === "") return;
    sendText(chat, current, text);
    tellTyping(current, false);
    box.value = "";
    onSent();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
    box.focus();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  byId("attach").addEventListener("click", () => picker.click());
  picker.addEventListener("change", () => {
    for (const file of picker.files ?? []) if (current) sendFile(chat, current, file);
    // The same file may be chosen again.
    picker.value = "";
    onSent();
    box.focus();
  });
  box.addEventListener("input", () => current && tellTyping(current, box.value !== ""));

  return {
    openThread(thread) {
      if (current) {
        tellTyping(current, false);
        drafts.set(current.key, box.value);
      }
      current = thread;
      box.value = drafts.get(thread.key) ?? "";
      if (matchMedia("(hover: hover)").matches) box.focus();
    },
  };
}
