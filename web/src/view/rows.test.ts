import { type ChatMessage, user } from "@parley/client";
import { expect, test } from "vitest";
import { createThread, putMessage, resetHistory, trim } from "../model/thread.js";
import { rowsOf } from "./rows.js";

const start = new Date(2026, 2, 10, 9, 0).getTime();
const minute = 60_000;

function message(seq: number, from: string, ms = start + seq * minute, more: Partial<ChatMessage> = {}): ChatMessage {
  const createTime = { seconds: BigInt(Math.floor(ms / 1000)), nanos: 0 };
  const sender = { sender: { case: "userId", value: from } };
  return {
    messageId: `m${seq}`,
    clientMessageId: `c${seq}`,
    seq,
    sender,
    createTime,
    revision: 0,
    ...more,
  } as ChatMessage;
}

function threadWith(...messages: ChatMessage[]) {
  const thread = createThread(user("jerry"));
  for (const each of messages) putMessage(thread, each);
  return thread;
}

const show = (thread: ReturnType<typeof threadWith>) =>
  rowsOf(thread, "tom", start).map((row) => {
    if (row.kind === "message") return `${row.message.seq}${row.first ? "!" : ""}${row.own ? " own" : ""}`;
    return row.kind === "outgoing" ? "outgoing" : row.text;
  });

test("messages stand in the order of their seq, each once, however they came", () => {
  const thread = threadWith(message(3, "tom"), message(1, "jerry"), message(2, "tom"), message(1, "jerry"));
  expect(thread.messages.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect(thread.last?.seq).toBe(3);
});

test("a later revision replaces the message, an earlier one does not come back", () => {
  const thread = threadWith(message(1, "tom", start, { revision: 2 }), message(1, "tom", start, { revision: 1 }));
  expect(thread.messages.map(({ revision }) => revision)).toEqual([2]);
});

test("days, runs of one user, and where the new ones begin", () => {
  const tomorrow = start + 24 * 60 * minute;
  const thread = threadWith(message(1, "jerry"), message(2, "jerry"), message(3, "tom"), message(4, "jerry", tomorrow));
  thread.newAfterSeq = 1;
  const day = show(thread).find((text) => text.includes("March") || text.includes("11"));
  expect(show(thread)).toEqual(["Today", "1!", "New", "2!", "3! own", day, "4!"]);
});

test("notices stand at their time, without moving any message", () => {
  const thread = threadWith(message(1, "jerry"), message(2, "jerry"));
  thread.notices.push({ id: "n", timeMs: start + 90_000, text: "Spike joined" });
  expect(show(thread)).toEqual(["Today", "1!", "Spike joined", "2!"]);
});

test("what is trimmed can be loaded again, what is reset is loaded anew", () => {
  const thread = threadWith(...Array.from({ length: 1001 }, (_, n) => message(n + 1, "jerry")));
  thread.history = "complete";
  trim(thread);
  expect(thread.messages[0]?.seq).toBe(502);
  expect(thread.history).toBe("more");
  resetHistory(thread);
  expect([thread.messages.length, thread.history]).toEqual([0, "head"]);
});
