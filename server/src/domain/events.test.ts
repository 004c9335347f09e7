import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { expect, test } from "vitest";
import { factsOf, newEvent, newMessageEvent } from "./events.js";

const KINDS = ["messageCreated", "systemMessage"] as const;
const facts = factsOf(0, "", undefined);

test("an event put together from a message's bytes says what one that is encoded whole says, whatever came before it", () => {
  for (const length of [0, 1, 100, 127, 128, 20_000])
    for (const timeMs of [1_000, 1_000, 1_001, 1_002])
      for (const kind of timeMs % 2 === 0 ? KINDS : [...KINDS].reverse()) {
        const message = create(ChatMessageSchema, { messageId: "m", seq: 3, remark: "x".repeat(length) });
        const made = newMessageEvent(timeMs, ["u:a", "u:a"], kind, toBinary(ChatMessageSchema, message), facts);
        const whole = newEvent(timeMs, ["u:a"], { case: kind, value: { message } });
        expect(made.kind).toBe(whole.kind);
        expect(made.audiences).toEqual(whole.audiences);
        expect(fromBinary(StreamEventSchema, made.payload)).toEqual(fromBinary(StreamEventSchema, whole.payload));
      }
});
