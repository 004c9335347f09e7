import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { expect } from "vitest";
import { type Address, rpcOver } from "../support/clients.js";
import { backend, login, type TestUser, transportTo } from "../support/index.js";
import { must, send, toGroup } from "../support/messaging.js";
import type { ProcessServer } from "../support/process-server.js";

/** What a client was told is stored. */
export interface Ack {
  messageId: string;
  seq: number;
  /** It was answered to a repetition, after the first try got no answer. */
  retried: boolean;
  /** It had been stored by an earlier try. */
  deduplicated: boolean;
}

/** What clients were told is stored, by client_message_id. */
export type Witness = Map<string, Ack>;

const RETRY_MS = 50;

/** Logs users in and puts them in one group. */
export async function startGroup(
  server: Address,
  names: readonly string[],
  others: readonly string[] = [],
): Promise<{ users: TestUser[]; groupId: string }> {
  const users: TestUser[] = [];
  for (const name of names) users.push(await login(server, name));
  const memberUserIds = [...names, ...others];
  const made = await backend(server)
    .as(names[0] as string)
    .group.createGroup({ memberUserIds });
  return { users, groupId: must(made.group).groupId };
}

/** The same user over HTTP/2. */
export function overHttp2(server: ProcessServer, user: TestUser): TestUser {
  return { ...user, rpc: rpcOver(transportTo(server.url, { authorization: `Bearer ${user.token}` }, "2")) };
}

/** A bare client: one send at a time, each repeated with the same key until it is answered, with a pause after it. */
export async function sendWhile(
  running: () => boolean,
  user: TestUser,
  groupId: string,
  onAck: (key: string, ack: Ack) => void,
  { text = "bare", pauseMs = 0 } = {},
): Promise<void> {
  while (running()) {
    const clientMessageId = randomUUID();
    for (let tries = 1; ; tries++) {
      try {
        const { message, deduplicated } = await send(user, toGroup(groupId), text, { clientMessageId });
        const { messageId, seq } = must(message);
        onAck(clientMessageId, { messageId, seq, retried: tries > 1, deduplicated });
        if (pauseMs > 0) await delay(pauseMs);
        break;
      } catch {
        await delay(RETRY_MS);
      }
    }
  }
}

export interface Follower {
  /** The messages it was told of, in order. */
  seen: { seq: number; key: string }[];
  resyncs: number;
  stop(): Promise<void>;
}

/** A bare reader: saves the cursor of each event and goes on from it, whatever becomes of the server. */
export function follow(user: TestUser, from: string, onMessage: (key: string) => void = () => undefined): Follower {
  const abort = new AbortController();
  const follower: Follower = { seen: [], resyncs: 0, stop };
  let cursor = from;
  const run = async () => {
    while (!abort.signal.aborted) {
      try {
        for await (const { frame } of user.rpc.message.subscribe({ cursor }, { signal: abort.signal })) {
          if (frame.case === "resyncRequired") follower.resyncs += 1;
          if (frame.case !== "event") continue;
          const { event } = frame.value;
          if (event.case === "messageCreated") {
            const { seq, clientMessageId: key } = must(event.value.message);
            follower.seen.push({ seq, key });
            onMessage(key);
          }
          // What is not stored has none: the place in the log stays.
          cursor = frame.value.cursor || cursor;
        }
      } catch {
        await delay(RETRY_MS);
      }
    }
  };
  const ended = run();
  return follower;

  async function stop() {
    abort.abort();
    await ended;
  }
}

/** Every message of a group, as the server tells it. */
export async function readAll(reader: TestUser, groupId: string): Promise<ChatMessage[]> {
  const messages: ChatMessage[] = [];
  for (let afterSeq = 0; ; ) {
    const page = await reader.rpc.history.listMessages({
      peer: toGroup(groupId),
      position: { case: "afterSeq", value: afterSeq },
      pageSize: 100,
    });
    messages.push(...page.messages);
    afterSeq = page.messages.at(-1)?.seq ?? afterSeq;
    if (page.nextPageToken === "") return messages;
  }
}

/** Fails unless every acknowledged message is stored, once, as it was told, and the seqs have no gap. */
export function expectWhole(stored: readonly ChatMessage[], witness: Witness): void {
  expect(stored.map((message) => message.seq)).toEqual(stored.map((_, at) => at + 1));
  const byKey = new Map(stored.map((message) => [message.clientMessageId, message]));
  expect(byKey.size).toBe(stored.length);
  for (const [key, { messageId, seq }] of witness) expect(byKey.get(key)).toMatchObject({ messageId, seq });
}
