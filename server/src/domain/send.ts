import type { SendMessageRequest } from "@parley/proto/parley/v1/message_service_pb.js";
import type { DomainError } from "./errors.js";
import type { SendTarget } from "./send-target.js";

/** The app's rules that a send depends on. */
export interface SendRules {
  allowStrangerMessages: boolean;
}

/** One send, checked as far as it can be without the store. */
export interface Send {
  /** The user who sends, or empty for the system. */
  senderId: string;
  target: SendTarget;
  /** The request with a client_message_id, made by the server when the sender gave none. */
  request: SendMessageRequest;
  /** Whether the sender gave the key: only then can it repeat the send. */
  keyed: boolean;
  /** The mark of its payload as it was given, for repeats. */
  hash: Buffer;
  /** Why it may not be stored, unless it was before. */
  refusal?: DomainError | undefined;
}

/** The answer to a send. */
export interface Sent {
  /** The message as it is stored: an encoded ChatMessage. */
  payload: Uint8Array;
  deduplicated: boolean;
}

/** Sends of one call, in order. */
export interface SendJob {
  sends: readonly Send[];
  rules: SendRules;
  newId(): string;
  /** The audiences of the transient messages that have brought an attachment lately. */
  heard(appId: string, attachmentId: string): readonly string[];
}
