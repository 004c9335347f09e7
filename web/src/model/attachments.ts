import type { Attachment } from "@parley/client";
import type { Chat } from "./chat.js";
import { timeMs } from "./time.js";

/** An address that ends so soon is not begun to be read from. */
const leastMs = 30_000;

const known = new WeakMap<Chat, Map<string, Attachment>>();

/** An attachment whose addresses are good for a while yet. */
export async function attachmentOf(chat: Chat, attachmentId: string): Promise<Attachment> {
  const own = known.get(chat) ?? new Map<string, Attachment>();
  known.set(chat, own);
  const before = own.get(attachmentId);
  if (before && timeMs(before.urlExpireTime) - Date.now() > leastMs) return before;
  const attachment = await chat.client.attachments.get(attachmentId);
  own.set(attachmentId, attachment);
  return attachment;
}
