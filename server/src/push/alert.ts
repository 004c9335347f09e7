import { toJson } from "@bufbuild/protobuf";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { PeerSchema, SenderSchema } from "@parley/proto/parley/v1/peer_pb.js";
import type { PushTemplates } from "@parley/proto/parley/v1/push_templates_pb.js";
import { LIMITS } from "../limits.js";
import type { Push } from "../ports.js";
import { pushIdOf } from "../store/push-id.js";
import type { PushMessage } from "./message.js";
import { filled, type PushKind, textOf, wordsFor } from "./words.js";

/** What a push is made of. */
export interface AlertFacts {
  appId: string;
  installationId: string;
  locale: string;
  said: PushMessage;
  names: { sender: string; group: string };
  templates: PushTemplates | undefined;
  /** The receiver's unread total, shown when the sender wishes no other number. */
  unread: number;
  expireMs: number;
}

/** What a provider's own form may add to a push: names of fields, tokens, headers. */
export const PUSH_FORM_BYTES = 512;
/** The most that `pushBytes` gives for a push: with its form it stays within what every provider takes. */
export const PUSH_MOST_BYTES = LIMITS.pushPayloadBytes - PUSH_FORM_BYTES;
const TITLE_BYTES = 256;

/** Makes the push of a message for one installation. */
export function alertOf(facts: AlertFacts): Push {
  const { appId, installationId, said, names } = facts;
  const { message, options } = said;
  const words = wordsFor(facts.templates, facts.locale);
  const text = `${options?.prefix ?? ""}${options?.bodyOverride || textOf(message.content, words)}${options?.suffix ?? ""}`;
  const values = { ...names, text };
  const template = words[kindOf(said)];
  const data = {
    v: 1,
    app_id: appId,
    conversation_id: message.conversationId,
    message_id: message.messageId,
    seq: message.seq,
    ...(message.sender && { sender: toJson(SenderSchema, message.sender) }),
    ...(message.receiver && { receiver: toJson(PeerSchema, message.receiver) }),
    push_id: pushIdOf(message.messageId, installationId),
  };
  const push: Push = {
    pushId: data.push_id,
    collapseId: options?.collapseKey || message.messageId,
    title: cut(options?.title || filled(template.title, values), TITLE_BYTES),
    body: "",
    sound: options?.sound || words.sound,
    badge: options?.badge ?? facts.unread,
    contentAvailable: options?.contentAvailable ?? false,
    threadId: message.conversationId,
    data,
    expireMs: facts.expireMs,
  };
  const body = cut(filled(template.body, values), PUSH_MOST_BYTES - pushBytes(push));
  const short = { ...push, body };
  const whole = { ...short, data: { ...data, message: toJson(ChatMessageSchema, message) } };
  return pushBytes(whole) <= PUSH_MOST_BYTES ? whole : short;
}

function kindOf({ message, senderId }: PushMessage): PushKind {
  if (message.receiver?.peer.case === "groupId") return "group";
  return senderId === "" ? "system" : "direct";
}

/** The size of a push in whichever form it leaves: its parts as JSON, its data as JSON inside a JSON string, which is the longer of the two ways to send them. */
export function pushBytes({ data, expireMs: _, ...parts }: Push): number {
  return Buffer.byteLength(JSON.stringify({ ...parts, data: JSON.stringify(data) }));
}

const ELLIPSIS = "…";
const ELLIPSIS_BYTES = Buffer.byteLength(ELLIPSIS);

/** As much of a text as takes this many bytes inside JSON, cut between two characters and marked as cut. */
export function cut(text: string, mostBytes: number): string {
  let bytes = 0;
  let end = 0;
  let at = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(JSON.stringify(character)) - 2;
    if (bytes > mostBytes) return `${text.slice(0, end)}${ELLIPSIS}`;
    at += character.length;
    if (bytes <= mostBytes - ELLIPSIS_BYTES) end = at;
  }
  return text;
}
