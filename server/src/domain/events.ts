import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { MessageContent } from "@parley/proto/parley/v1/message_content_pb.js";
import { EventKind, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { fieldHead } from "../ops/wire.js";
import type { MessageFacts, NewEvent } from "../ports.js";

export { MESSAGE_KINDS } from "../store/readable.js";

type EventCase = NonNullable<MessageInitShape<typeof StreamEventSchema>["event"]>;

const KINDS: Record<NonNullable<EventCase["case"]>, EventKind> = {
  messageCreated: EventKind.MESSAGE_CREATED,
  messageUpdated: EventKind.MESSAGE_UPDATED,
  presenceChanged: EventKind.PRESENCE_CHANGED,
  friendChanged: EventKind.FRIEND_CHANGED,
  groupChanged: EventKind.GROUP_CHANGED,
  groupMemberChanged: EventKind.GROUP_MEMBER_CHANGED,
  roomChanged: EventKind.ROOM_CHANGED,
  roomMemberChanged: EventKind.ROOM_MEMBER_CHANGED,
  systemMessage: EventKind.SYSTEM_MESSAGE,
  typingChanged: EventKind.TYPING_CHANGED,
  readMarkerChanged: EventKind.READ_MARKER_CHANGED,
  sessionRevoked: EventKind.SESSION_REVOKED,
  userChanged: EventKind.USER_CHANGED,
  historyCleared: EventKind.HISTORY_CLEARED,
  conversationChanged: EventKind.CONVERSATION_CHANGED,
};

/** The kinds that tell of a new message, each message by one event. */
export const NEW_MESSAGE_KINDS: readonly number[] = [EventKind.MESSAGE_CREATED, EventKind.SYSTEM_MESSAGE];

/** Makes an event for these audiences, each named once. */
export function newEvent(timeMs: number, audiences: Iterable<string>, event: EventCase): NewEvent {
  const kind = event.case === undefined ? EventKind.UNSPECIFIED : KINDS[event.case];
  const payload = toBinary(
    StreamEventSchema,
    create(StreamEventSchema, { createTime: timestampFromMs(timeMs), kind, event }),
  );
  return { kind, payload, audiences: [...new Set(audiences)] };
}

/** Where an event holds what tells of a new message, and where that holds the message. */
const FIELDS = { messageCreated: 10, systemMessage: 18 } as const;
const MESSAGE_FIELD = 1;

/** The same for a message that is encoded already: its bytes are copied, not encoded a second time. */
export function newMessageEvent(
  timeMs: number,
  audiences: Iterable<string>,
  kind: keyof typeof FIELDS,
  message: Uint8Array,
  facts: MessageFacts,
): NewEvent {
  const inner = fieldHead(MESSAGE_FIELD, message.length);
  const outer = fieldHead(FIELDS[kind], inner.length + message.length);
  const payload = Buffer.concat([headOf(timeMs, KINDS[kind]), outer, inner, message]);
  return { kind: KINDS[kind], payload, audiences: [...new Set(audiences)], facts };
}

let lastHead = { timeMs: -1, kind: -1, bytes: new Uint8Array() };

/** The encoded message of such an event. */
export function messageIn({ payload }: Pick<NewEvent, "payload">): Uint8Array {
  const { event } = fromBinary(StreamEventSchema, payload);
  if (event.case !== "messageCreated" && event.case !== "systemMessage") throw new Error(`no message in ${event.case}`);
  return toBinary(ChatMessageSchema, event.value.message ?? create(ChatMessageSchema));
}

/** What stands before an event's own field. The messages of one commit mostly have the same. */
function headOf(timeMs: number, kind: EventKind): Uint8Array {
  if (lastHead.timeMs !== timeMs || lastHead.kind !== kind) {
    const event = create(StreamEventSchema, { createTime: timestampFromMs(timeMs), kind });
    lastHead = { timeMs, kind, bytes: toBinary(StreamEventSchema, event) };
  }
  return lastHead.bytes;
}

/** What is counted of a message. */
export function factsOf(atMs: number, senderId: string, content: MessageContent | undefined): MessageFacts {
  const inner = content?.content;
  const mediaBytes = inner?.value !== undefined && "sizeBytes" in inner.value ? inner.value.sizeBytes : 0;
  return { atMs, senderId, content: inner?.case ?? "", mediaBytes };
}
