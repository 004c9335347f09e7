import { create, fromBinary, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { SubscribeResponseSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { type StreamEvent, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";

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
      binary ??= envelope(eventMessage(cursor, payload));
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

/** The envelope of Connect, gRPC and gRPC-Web alike: a byte of flags and the length. */
function envelope(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

function eventMessage(cursor: string, payload: Uint8Array): Uint8Array {
  const writer = new BinaryWriter().tag(EVENT_FIELD, WireType.LengthDelimited).fork();
  if (cursor !== "") writer.tag(CURSOR_FIELD, WireType.LengthDelimited).string(cursor);
  return writer.raw(payload).join().finish();
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
