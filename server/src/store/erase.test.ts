import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ChatMessageSchema, MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
import { EventKind, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { expect, test } from "vitest";
import { type TempStore, tempStore } from "../../../test/support/temp-store.js";
import type { Tx } from "./committer.js";
import { addParticipants, growConversations } from "./conversations.js";
import { eraseSome } from "./erase.js";
import { beginErasure, findErasure } from "./erasure.js";
import { insertMessages } from "./messages.js";

const CONVERSATIONS = ["d:jerry:tom", "g:cats", "g:dogs", "y:tom"];

function messageOf(sender: string, conversationId: string, seq: number) {
  return create(ChatMessageSchema, {
    messageId: `${conversationId}-${seq}`,
    conversationId,
    seq,
    sender: { sender: sender === "" ? { case: "system", value: {} } : { case: "userId", value: sender } },
    receiver: { peer: { case: "userId", value: conversationId === "y:tom" ? "tom" : "jerry" } },
    content: { content: { case: "text", value: { text: "words" } } },
    state: MessageState.ACTIVE,
  });
}

/** Says seven things in a conversation, each second one by Tom; what the system says in Tom's own is all of it. */
async function talk(tx: Tx, conversationId: string): Promise<void> {
  const senders = Array.from({ length: 7 }, (_, at) =>
    conversationId === "y:tom" ? "" : at % 2 === 0 ? "tom" : "jerry",
  );
  const lastPos = tx.head() + senders.length;
  await growConversations(tx, [{ conversationId, count: senders.length, lastPos }]);
  await addParticipants(tx, [{ userId: "tom", conversationId, readSeq: 0 }]);
  const rows = senders.map((sender, at) => {
    const message = messageOf(sender, conversationId, at + 1);
    const value = { message };
    const event = create(StreamEventSchema, { event: { case: "messageCreated", value } });
    const pos = tx.emit({
      kind: EventKind.MESSAGE_CREATED,
      audiences: [conversationId],
      payload: toBinary(StreamEventSchema, event),
    });
    return {
      app_id: tx.appId,
      conversation_id: conversationId,
      seq: at + 1,
      pos,
      message_id: message.messageId,
      sender,
      client_message_id: message.messageId,
      payload_hash: Buffer.from("mark"),
      create_ms: tx.nowMs,
      counting: 1,
      payload: Buffer.from(toBinary(ChatMessageSchema, message)),
      push: null,
    };
  });
  await insertMessages(tx, rows);
}

/** Blanks to the end, by `most` items a step, each by another process; gives the number of steps. */
async function eraseAll(temp: TempStore, subject: string, most: number): Promise<number> {
  for (let steps = 1; ; steps += 1) {
    await temp.committer.run("a", (tx) => eraseSome(tx, subject, most));
    if ((await findErasure(temp.store.read, "a", subject)) === undefined) return steps;
    await temp.restart();
  }
}

async function texts(temp: TempStore): Promise<string[]> {
  const messages = await temp.store.read
    .selectFrom("message")
    .selectAll()
    .orderBy("conversation_id")
    .orderBy("seq")
    .execute();
  const events = await temp.store.read.selectFrom("event").selectAll().orderBy("pos").execute();
  const of = (message: { state: number; content?: unknown }) => (message.content === undefined ? "-" : "w");
  const stored = messages.map(({ payload }) => of(fromBinary(ChatMessageSchema, payload))).join("");
  const log = events.map(({ payload }) => {
    const { event } = fromBinary(StreamEventSchema, payload);
    return event.case === "messageCreated" && event.value.message ? of(event.value.message) : "0";
  });
  return [stored, log.join("")];
}

test.each([1, 2, 3, 5, 1_000])(
  "a user's words go step by step, %i at a time, whoever is stopped between two steps",
  async (most) => {
    await using temp = await tempStore();
    for (const id of CONVERSATIONS) await temp.committer.run("a", (tx) => talk(tx, id));
    await temp.committer.run("a", (tx) => beginErasure(tx, "u:tom", tx.head()));
    // Somebody new under the same id says more, which stays.
    await temp.committer.run("a", async (tx) => await talk(tx, "g:rats"));
    const steps = await eraseAll(temp, "u:tom", most);
    if (most === 1) expect(steps).toBeGreaterThan(50);
    // By name: d:jerry:tom, g:cats, g:dogs, g:rats, y:tom; the log by position.
    const half = "-w-w-w-";
    expect(await texts(temp)).toEqual([`${half}${half}${half}wwwwwww-------`, `${half}${half}${half}-------wwwwwww`]);
  },
);

test("what was said in a group goes whoever said it, and nowhere else", async () => {
  await using temp = await tempStore();
  for (const id of CONVERSATIONS) await temp.committer.run("a", (tx) => talk(tx, id));
  await temp.committer.run("a", (tx) => beginErasure(tx, "g:cats", 14));
  await eraseAll(temp, "g:cats", 3);
  expect(await texts(temp)).toEqual([`wwwwwww-------wwwwwwwwwwwwww`, `wwwwwww0000000wwwwwwwwwwwwww`]);
  // Its living senders may repeat a send, so the mark of it stays; that of a deleted user does not.
  const marks = await temp.store.read.selectFrom("message").select("payload_hash").execute();
  expect(marks.every(({ payload_hash }) => payload_hash.length > 0)).toBe(true);
});
