import { create, fromBinary, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import { SubscribeResponseSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { type StreamEvent, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { fieldHead } from "../ops/wire.js";

/** How a stream's messages are encoded. */
export type Codec = "binary" | "json";

/** An event ready for any number of streams: encoded once for each codec, whoever reads it. */
export interface EncodedEvent {
  readonly kind: number;
  /** 0 for a transient event. */
  readonly pos: number;
  frame(codec: Codec): Buffer;
}

const EVENT_FIELD = 2;
const CURSOR_FIELD = 1;

/** Prepares an event. The stored bytes hold no cursor, so it is put before them: fields of one message may be concatenated. */
export function encodeEvent(kind: number, pos: number, cursor: string, payload: Uint8Array): EncodedEvent {
  let binary: Buffer | undefined;
  let json: Buffer | undefined;
  return {
    kind,
    pos,
    frame(codec) {
      if (codec === "json") {
        json ??= envelope(eventJson(cursor, payload));
        return json;
      }
      binary ??= eventFrame(cursor, payload);
      return binary;
    },
  };
}

/** A frame that is no event. */
export function controlFrame(codec: Codec, frame: MessageInitShape<typeof SubscribeResponseSchema>["frame"]): Buffer {
  const message = create(SubscribeResponseSchema, { frame } as MessageInitShape<typeof SubscribeResponseSchema>);
  if (codec === "binary") return envelope(toBinary(SubscribeResponseSchema, message));
  return envelope(Buffer.from(toJsonString(SubscribeResponseSchema, message)));
}

function envelope(message: Uint8Array): Buffer {
  return Buffer.concat([envelopeHead(message.length), message]);
}

/** What stands before a message in Connect, gRPC and gRPC-Web alike: a byte of flags and the length. */
function envelopeHead(length: number): Buffer {
  const head = Buffer.allocUnsafe(5);
  head[0] = 0;
  head.writeUInt32BE(length, 1);
  return head;
}

function eventFrame(cursor: string, payload: Uint8Array): Buffer {
  const parts = [payload];
  if (cursor !== "") parts.unshift(fieldHead(CURSOR_FIELD, cursor.length), Buffer.from(cursor, "latin1"));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = fieldHead(EVENT_FIELD, length);
  return Buffer.concat([envelopeHead(head.length + length), head, ...parts]);
}

function eventJson(cursor: string, payload: Uint8Array): Uint8Array {
  const event = fromBinary(StreamEventSchema, payload);
  event.cursor = cursor;
  try {
    return eventAsJson(event);
  } catch {
    // Something in it has no form in JSON. The reader still gets past it, as past an event it does not know.
    return eventAsJson(create(StreamEventSchema, { cursor, kind: event.kind }));
  }
}

function eventAsJson(event: StreamEvent): Uint8Array {
  const message = create(SubscribeResponseSchema, { frame: { case: "event", value: event } });
  return Buffer.from(toJsonString(SubscribeResponseSchema, message));
}
