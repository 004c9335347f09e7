import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ChatMessage, ChatMessageSchema, MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
import { ChangeKind, type StreamEvent, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";

/** The payload of what nobody may read; readers pass over it. */
export const NOTHING = Buffer.alloc(0);

/** A stored message without its content, as others read it once its author was deleted. */
export function blankMessage(payload: Uint8Array, atMs: number): Buffer {
  return Buffer.from(toBinary(ChatMessageSchema, blanked(fromBinary(ChatMessageSchema, payload), atMs)));
}

/** The payload of a stored event without what a deleted user has said or shown of itself; undefined when it holds nothing of the kind. */
export function blankEvent(payload: Uint8Array, userId: string, atMs: number): Buffer | undefined {
  // Most events hold nothing of the user, and looking for its name costs far less than reading them.
  if (!Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).includes(userId)) return undefined;
  const event = fromBinary(StreamEventSchema, payload);
  switch (event.event.case) {
    case "messageCreated":
    case "messageUpdated":
    case "systemMessage": {
      const { message } = event.event.value;
      if (message === undefined || message.state === MessageState.DELETED || !isOf(message, userId)) return undefined;
      event.event.value.message = blanked(message, atMs);
      return encoded(event);
    }
    case "userChanged": {
      const { user, change } = event.event.value;
      return user?.userId === userId && change !== ChangeKind.REMOVED ? NOTHING : undefined;
    }
    case "groupMemberChanged":
      return event.event.value.member?.userId === userId ? NOTHING : undefined;
    default:
      return undefined;
  }
}

function encoded(event: StreamEvent): Buffer {
  return Buffer.from(toBinary(StreamEventSchema, event));
}

/** Whether a message is a user's: written by it, or by the system to it alone. */
function isOf({ sender, receiver }: ChatMessage, userId: string): boolean {
  if (sender?.sender.case === "userId") return sender.sender.value === userId;
  return receiver?.peer.case === "userId" && receiver.peer.value === userId;
}

function blanked(message: ChatMessage, atMs: number): ChatMessage {
  if (message.state === MessageState.DELETED) return message;
  const { messageId, conversationId, seq, sender, receiver, createTime, clientMessageId, revision } = message;
  return create(ChatMessageSchema, {
    messageId,
    conversationId,
    seq,
    clientMessageId,
    ...(sender && { sender }),
    ...(receiver && { receiver }),
    ...(createTime && { createTime }),
    updateTime: timestampFromMs(atMs),
    revision: revision + 1,
    state: MessageState.DELETED,
  });
}
