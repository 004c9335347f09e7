import { create, type DescMessage, fromBinary, type Message, type MessageShape } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { SendSystemMessageResponseSchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { SendMessageResponseSchema, SendMessageResultSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Sent } from "../domain/send.js";
import { lengthDelimited } from "../ops/wire.js";

/**
 * Puts messages, as the bytes that are stored, into a field of an answer. As fields that the library does not know they are copied as they are,
 * which costs far less than to decode and encode them; an answer that may be JSON needs them decoded.
 */
export function putMessages<S extends DescMessage>(
  schema: S,
  answer: MessageShape<S>,
  name: keyof S["field"] & string,
  payloads: readonly Uint8Array[],
  binary: boolean,
): MessageShape<S> {
  const field = schema.field[name];
  if (field === undefined) throw new Error(`${schema.typeName} has no ${name}`);
  if (!binary) {
    const messages = payloads.map((payload) => fromBinary(ChatMessageSchema, payload));
    Object.assign(answer, { [name]: field.fieldKind === "list" ? messages : messages[0] });
  } else {
    const { number: no } = field;
    const copied = payloads.map((payload) => ({
      no,
      wireType: WireType.LengthDelimited,
      data: lengthDelimited(payload),
    }));
    (answer as Message).$unknown = copied;
  }
  return answer;
}

/** The answer to a send that was stored or passed on. */
export function sentAnswer<
  S extends typeof SendMessageResponseSchema | typeof SendMessageResultSchema | typeof SendSystemMessageResponseSchema,
>(schema: S, { payload, deduplicated }: Sent, binary: boolean): MessageShape<S> {
  return putMessages<S>(
    schema,
    create(schema as DescMessage, { deduplicated }) as MessageShape<S>,
    "message",
    [payload],
    binary,
  );
}
