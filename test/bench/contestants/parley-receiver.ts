import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { GoodbyeReason, type MessageService } from "@parley/proto/parley/v1/message_service_pb.js";
import type { JoinOptions, Received } from "../contestant.js";

const ackEveryMs = 1_000;
/** What a session that was put off waits before it tries again. */
const retryMs = 250;

/** An open stream with its acknowledgements. */
export interface Receiver {
  /** The place to go on from. */
  readonly cursor: string;
  close(): void;
}

/** Opens a stream and resolves when it is live; a server behind its work is asked again. */
export async function openReceiver(
  client: Client<typeof MessageService>,
  headers: Record<string, string>,
  options: JoinOptions,
  from = "",
): Promise<Receiver> {
  return await untilLetIn(() => openOnce(client, headers, options, from));
}

/** Makes a call again as long as the server puts it off. */
export async function untilLetIn<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unavailable) throw error;
      await sleep(retryMs);
    }
  }
}

/** What it brings is acknowledged once a second, as real clients do. */
async function openOnce(
  client: Client<typeof MessageService>,
  headers: Record<string, string>,
  { receive = () => {}, fail }: JoinOptions,
  from: string,
): Promise<Receiver> {
  const abort = new AbortController();
  const { signal } = abort;
  let cursor = from;
  let acknowledged = from;
  let isLive = false;
  let live: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    live = resolve;
  });

  async function run(): Promise<void> {
    for await (const { frame } of client.subscribe({ cursor: from }, { headers, signal })) {
      if (frame.case === "started" || frame.case === "caughtUp") cursor = frame.value.cursor;
      if (frame.case === "caughtUp") {
        isLive = true;
        live();
      }
      if (frame.case === "resyncRequired") throw new Error("the server lost the stream's place");
      if (frame.case === "goodbye") throw new Error(`the server said goodbye: ${GoodbyeReason[frame.value.reason]}`);
      if (frame.case !== "event") continue;
      const { event, cursor: next } = frame.value;
      if (next !== "") cursor = next;
      if (event.case !== "messageCreated" || !event.value.message) continue;
      receive(toReceived(event.value.message));
    }
    throw new Error("the stream ended");
  }

  function acknowledge(): void {
    if (cursor === acknowledged) return;
    acknowledged = cursor;
    // What fails is made good by the next one; a broken stream is heard of elsewhere.
    client.ackEvents({ cursor }, { headers, signal }).catch(() => {
      acknowledged = "";
    });
  }

  function failUnlessClosed(error: unknown): void {
    if (!signal.aborted) fail(error);
  }

  const ended = run().catch((error: unknown) => {
    if (isLive) failUnlessClosed(error);
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

/** A message of the contract as the bench sees it. */
export function toReceived({ conversationId: conversation, seq: sequence, content }: ChatMessage): Received {
  return { conversation, sequence, text: content?.content.case === "text" ? content.content.value.text : "" };
}
