import { fromBinary } from "@bufbuild/protobuf";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { type PushOptions, PushOptionsSchema } from "@parley/proto/parley/v1/push_options_pb.js";
import { EventKind, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { readPayloads, readPushOptions } from "../store/push-log.js";
import type { Db } from "../store/schema.js";

/** The kinds of events that may be pushed. */
export const PUSHED_KINDS: readonly number[] = [EventKind.MESSAGE_CREATED, EventKind.SYSTEM_MESSAGE];

/** A message that is to be pushed, with its sender's wishes. */
export interface PushMessage {
  message: ChatMessage;
  /** The user who sent it, or empty for the system. */
  senderId: string;
  saidMs: number;
  options: PushOptions | undefined;
}

/** The messages at these positions that are to be pushed at all: there, counting, and not to be kept quiet. */
export async function readPushMessages(
  db: Db,
  appId: string,
  positions: readonly number[],
): Promise<Map<number, PushMessage>> {
  const found = new Map<number, Omit<PushMessage, "options">>();
  for (const [pos, { payload, createMs }] of await readPayloads(db, appId, positions)) {
    if (payload.length === 0) continue;
    const { event } = fromBinary(StreamEventSchema, payload);
    const message = event.case === "messageCreated" || event.case === "systemMessage" ? event.value.message : undefined;
    // What a deleted user said keeps its place without its content.
    if (message?.content === undefined) continue;
    const { sender } = message.sender ?? {};
    const senderId = sender?.case === "userId" ? sender.value : "";
    found.set(pos, { message, senderId, saidMs: createMs });
  }
  const stored = await readPushOptions(
    db,
    appId,
    [...found.values()].map(({ message }) => message.messageId),
  );
  const wanted = new Map<number, PushMessage>();
  for (const [pos, known] of found) {
    const row = stored.get(known.message.messageId);
    if (row?.counting !== true) continue;
    const options = row.push === null ? undefined : fromBinary(PushOptionsSchema, row.push);
    if (options?.disabled !== true) wanted.set(pos, { ...known, options });
  }
  return wanted;
}
