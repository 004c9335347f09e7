import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import type { TransientEvent } from "../ports.js";
import { newMessageEvent } from "./events.js";
import { createTransientMemory } from "./transient-memory.js";

const named = { senderId: "tom", clientMessageId: "key" };

/** What a node publishes of a message that is not stored. */
function said(messageId: string, clientMessageId = "key"): TransientEvent {
  const message = toBinary(ChatMessageSchema, create(ChatMessageSchema, { messageId, transient: true }));
  const facts = { atMs: 0, senderId: "tom", content: "text", mediaBytes: 0 };
  const made = newMessageEvent(0, ["u:ann"], "messageCreated", message, facts);
  return { appId: "a", ...made, sent: { senderId: "tom", clientMessageId, hash: "00" } };
}

test("what another node published is new once, and its repeats are answered with the first", () => {
  const clock = fakeClock();
  const memory = createTransientMemory(clock, 1000);
  expect([memory.isNew(said("1")), memory.isNew(said("2")), memory.isNew(said("3", "other"))]).toEqual([
    true,
    false,
    true,
  ]);
  const found = memory.find("a", named);
  expect(found?.hash).toBe("00");
  expect(fromBinary(ChatMessageSchema, found?.message ?? new Uint8Array())).toMatchObject({ messageId: "1" });
  expect(memory.find("b", named)).toBeUndefined();
  clock.advance(1000);
  expect(memory.find("a", named)).toBeUndefined();
  expect(memory.isNew(said("4"))).toBe(true);
});

test("what was said here is no news from elsewhere, and what has no name always is", () => {
  const memory = createTransientMemory(fakeClock(), 1000);
  memory.keep(said("1"));
  expect(memory.isNew(said("2"))).toBe(false);
  const nameless = { ...said("3"), sent: undefined };
  expect([memory.isNew(nameless), memory.isNew(nameless)]).toEqual([true, true]);
});
