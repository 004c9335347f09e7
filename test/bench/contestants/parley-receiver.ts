import type { Client } from "@connectrpc/connect";
import { GoodbyeReason, type MessageService } from "@parley/proto/parley/v1/message_service_pb.js";
import type { JoinOptions } from "../contestant.js";

const ackEveryMs = 1_000;

/** An open stream with its acknowledgements. */
export interface Receiver {
  /** The place to go on from. */
  readonly cursor: string;
  close(): void;
}

/** Opens a stream and resolves when it is live. What it brings is acknowledged once a second, as real clients do. */
export async function openReceiver(
  client: Client<typeof MessageService>,
  headers: Record<string, string>,
  { receive = () => {}, fail }: JoinOptions,
  from = "",
): Promise<Receiver> {
  const abort = new AbortController();
  const { signal } = abort;
  let cursor = from;
  let acknowledged = from;
  let live: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    live = resolve;
  });

  async function run(): Promise<void> {
    for await (const { frame } of client.subscribe({ cursor: from }, { headers, signal })) {
      if (frame.case === "started" || frame.case === "caughtUp") cursor = frame.value.cursor;
      if (frame.case === "caughtUp") live();
      if (frame.case === "resyncRequired") throw new Error("the server lost the stream's place");
      if (frame.case === "goodbye") throw new Error(`the server said goodbye: ${GoodbyeReason[frame.value.reason]}`);
      if (frame.case !== "event") continue;
      const { event, cursor: next } = frame.value;
      if (next !== "") cursor = next;
      if (event.case !== "messageCreated" || !event.value.message) continue;
      const { seq: sequence, content } = event.value.message;
      receive({ sequence, text: content?.content.case === "text" ? content.content.value.text : "" });
    }
    throw new Error("the stream ended");
  }

  function acknowledge(): void {
    if (cursor === acknowledged) return;
    acknowledged = cursor;
    client.ackEvents({ cursor }, { headers, signal }).catch(failUnlessClosed);
  }

  function failUnlessClosed(error: unknown): void {
    if (!signal.aborted) fail(error);
  }

  const ended = run().catch((error: unknown) => {
    failUnlessClosed(error);
    throw error;
  });
  ended.catch(() => {});
  await Promise.race([opened, ended]);
  acknowledged = cursor;
  const timers = [setTimeout(() => timers.push(setInterval(acknowledge, ackEveryMs)), Math.random() * ackEveryMs)];
  return {
    get cursor() {
      return cursor;
    },
    close() {
      for (const timer of timers) clearInterval(timer);
      abort.abort();
    },
  };
}
