import type { FileContent, OutgoingMessage, SendOptions } from "@parley/client";
import { type Chat, threadOf } from "./chat.js";
import { takeSent } from "./take-message.js";
import type { Thread } from "./thread.js";

/** Sends a text as it is. */
export function sendText(chat: Chat, thread: Thread, text: string): void {
  thread.newAfterSeq = undefined;
  track(chat, chat.client.messages.send(thread.peer, { text }));
}

/** The files on their way, so that a send that failed can be tried again. */
const files = new Map<string, File>();
const progress = new WeakMap<OutgoingMessage, number>();

/** Uploads a file and sends it. */
export function sendFile(chat: Chat, thread: Thread, file: File, options: SendOptions = {}): void {
  thread.newAfterSeq = undefined;
  const out = chat.client.messages.send(thread.peer, fileContent(file), options);
  files.set(out.clientMessageId, file);
  out.on("progress", (sentBytes, totalBytes) => {
    progress.set(out, Math.floor((100 * sentBytes) / totalBytes));
    chat.changed();
  });
  out.stored.then(
    () => files.delete(out.clientMessageId),
    () => undefined,
  );
  track(chat, out);
}

/** How much of a file has gone up, in percent; undefined when nothing was told yet. */
export const progressOf = (out: OutgoingMessage): number | undefined => progress.get(out);

/** As an image goes what every server knows as one; an SVG is a document. */
function fileContent(file: File): FileContent {
  if (/^image\/(png|jpeg|gif|webp|avif|heic|bmp)$/.test(file.type)) return { image: file };
  if (file.type.startsWith("audio/")) return { audio: file };
  return file.type.startsWith("video/") ? { video: file } : { file };
}

/** Shows a send until the server has confirmed it. */
function track(chat: Chat, out: OutgoingMessage): void {
  const thread = threadOf(chat, out.receiver);
  thread.outgoing.push(out);
  thread.activeMs = Math.max(thread.activeMs, Date.now());
  out.stored.then((message) => takeSent(chat, message), chat.changed);
  chat.changed();
}

/** Shows the sends that an earlier page left. */
export function trackPending(chat: Chat): void {
  for (const out of chat.client.messages.pending()) track(chat, out);
}

/** Sends again, by the same id: should the first have been stored after all, there is still only one. */
export function retry(chat: Chat, thread: Thread, { clientMessageId, content }: OutgoingMessage): void {
  const file = files.get(clientMessageId);
  discard(chat, thread, clientMessageId);
  if (file) sendFile(chat, thread, file, { clientMessageId });
  else if (content.content.case === "text")
    track(chat, chat.client.messages.send(thread.peer, { text: content.content.value.text }, { clientMessageId }));
}

export function discard(chat: Chat, thread: Thread, clientMessageId: string): void {
  const index = thread.outgoing.findIndex((out) => out.clientMessageId === clientMessageId);
  files.delete(clientMessageId);
  if (index >= 0) thread.outgoing.splice(index, 1);
  chat.changed();
}
