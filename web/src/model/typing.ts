import { peerKey, type TypingChanged } from "@parley/client";
import type { Chat } from "./chat.js";
import type { Thread } from "./thread.js";

/** The time after which typing that is not told again is over. */
const typingMs = 6_000;
/** The time in which the server need not hear of it again. */
const tellEveryMs = 3_000;

export function takeTyping(chat: Chat, { peer, userId, typing }: TypingChanged): void {
  const thread = peer && chat.threads.get(peerKey(peer));
  if (!thread || userId === chat.me) return;
  if (typing) {
    thread.typing.set(userId, Date.now() + typingMs);
    setTimeout(chat.changed, typingMs + 50);
  } else thread.typing.delete(userId);
  chat.changed();
}

/** Those who type just now. */
export function typists({ typing }: Thread): string[] {
  return [...typing].filter(([, untilMs]) => untilMs > Date.now()).map(([userId]) => userId);
}

/** Tells the others that this user types. Nobody misses it when it is not heard, so a failure is not told. */
export function createTypingTeller(chat: Chat): (thread: Thread, typing: boolean) => void {
  let told: { thread: Thread; atMs: number } | undefined;
  return (thread, typing) => {
    const fresh = told?.thread === thread && Date.now() - told.atMs < tellEveryMs;
    if (typing === fresh || chat.state.name !== "live") return;
    told = typing ? { thread, atMs: Date.now() } : undefined;
    chat.client.messages.setTyping(thread.peer, typing).catch(() => {});
  };
}
