import { type ChatMessage, user } from "@parley/client";
import { expect, test } from "vitest";
import { createSignal } from "../signal.js";
import type { Chat } from "./chat.js";
import { takeMessage, takeSent } from "./take-message.js";
import { createThread, type Thread } from "./thread.js";

function message(seq: number, from: string): ChatMessage {
  const createTime = { seconds: BigInt(seq), nanos: 0 };
  const sender = { sender: { case: "userId", value: from } };
  const receiver = user(from === "tom" ? "jerry" : "tom");
  return {
    messageId: `m${seq}`,
    clientMessageId: `c${seq}`,
    conversationId: "c",
    seq,
    sender,
    receiver,
    createTime,
  } as ChatMessage;
}

function toms(): { chat: Chat; thread: Thread } {
  const thread = createThread(user("jerry"));
  const chat = { ...createSignal(), me: "tom", threads: new Map([[thread.key, thread]]), threadKeys: new Map() };
  return { chat: chat as unknown as Chat, thread };
}

test("an answer that overtakes the stream hides nothing that is unread", () => {
  const { chat, thread } = toms();
  takeSent(chat, message(2, "tom"));
  takeMessage(chat, message(1, "jerry"));
  takeMessage(chat, message(2, "tom"));
  expect(thread.messages.map(({ seq }) => seq)).toEqual([1, 2]);
  expect(thread.unread).toBe(1);
});

test("what comes twice counts once, and what was read elsewhere not at all", () => {
  const { chat, thread } = toms();
  thread.readSeq = 1;
  for (const seq of [1, 2, 2, 3]) takeMessage(chat, message(seq, "jerry"));
  takeMessage(chat, message(2, "jerry"));
  expect([thread.messages.length, thread.unread]).toEqual([3, 2]);
});

test("a message ends the send that it comes from, and no other", () => {
  const { chat, thread } = toms();
  thread.outgoing.push({ clientMessageId: "c1" } as Thread["outgoing"][number]);
  takeMessage(chat, message(1, "jerry"));
  expect(thread.outgoing).toHaveLength(1);
  thread.outgoing.push({ clientMessageId: "c2" } as Thread["outgoing"][number]);
  takeMessage(chat, message(2, "tom"));
  expect(thread.outgoing.map(({ clientMessageId }) => clientMessageId)).toEqual(["c1"]);
});
