import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Client, createClient, group } from "@parley/client";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { backend, eventually, login, type TestUser } from "../support/index.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";

const ROUNDS = sized(30, 300);
const SENDERS = 8;

/** What a client was told is stored. */
type Witness = Map<string, { messageId: string; seq: number }>;

interface Follower {
  seqs: number[];
  resyncs: number;
  stop(): Promise<void>;
}

describe("D1: kill -9 under load", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "parley-kill-"));
  const witness: Witness = new Map();
  let server: ProcessServer;
  let port: number;
  let groupId: string;
  let running = true;
  const users: TestUser[] = [];
  const sdks: { client: Client; seen: string[] }[] = [];

  beforeAll(async () => {
    port = await freePort();
    server = await spawnServer({ dataDir, port });
    for (let i = 0; i < SENDERS; i++) users.push(await login(server, `bare-${i}`));
    for (let i = 0; i < 3; i++) sdks.push(await startSdk(server, `sdk-${i}`));
    const memberUserIds = [...users.map((user) => user.userId), ...sdks.map((_, i) => `sdk-${i}`)];
    const made = await backend(server).as("bare-0").group.createGroup({ memberUserIds });
    groupId = made.group?.groupId ?? "";
  });

  afterAll(async () => {
    for (const { client } of sdks) await client.close();
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it(`keeps every acknowledged message once, in order, over ${ROUNDS} crashes, for bare clients and the SDK`, async (context) => {
    const { cursor } = await (users[0] as TestUser).rpc.message.listEvents({});
    const followers = users.slice(0, 4).map((user) => follow(user, cursor));
    const work = [...users.map((user) => sendUntilStopped(user)), ...sdks.map(({ client }) => sendBySdk(client))];
    for (let round = 0; round < ROUNDS; round++) {
      // Each life of the server acknowledges something, however slow the machine; the moment of its end is random.
      const before = witness.size;
      await eventually(() => expect(witness.size).toBeGreaterThan(before + 10), 60_000);
      await delay(Math.random() * 500);
      await server.kill();
      server = await spawnServer({ dataDir, port });
    }
    await delay(300);
    running = false;
    await Promise.all(work);
    const stored = await readAll();
    expect(stored.map((message) => message.seq)).toEqual(stored.map((_, at) => at + 1));
    const byKey = new Map(stored.map((message) => [message.clientMessageId, message]));
    expect(byKey.size).toBe(stored.length);
    expect(witness.size).toBeGreaterThanOrEqual(ROUNDS * 11);
    for (const [key, { messageId, seq }] of witness) expect(byKey.get(key)).toMatchObject({ messageId, seq });
    for (const follower of followers) {
      await eventually(() => expect(follower.seqs.length).toBe(stored.length), 20_000);
      expect(follower.seqs).toEqual(stored.map((message) => message.seq));
      expect(follower.resyncs).toBe(0);
      await follower.stop();
    }
    for (const { client, seen } of sdks) {
      // The SDK tells a message of one's own by its send, not by an event.
      const { userId } = client.currentUser ?? {};
      const others = stored.filter((message) => message.sender?.sender.value !== userId);
      await eventually(() => expect(seen.length).toBe(others.length), 20_000);
      expect(seen).toEqual(others.map((message) => message.messageId));
    }
    figure(context, `${ROUNDS} crashes, ${witness.size} acknowledged, 0 lost, 0 doubled, 0 resyncs`);
  }, 1_800_000);

  async function startSdk(at: ProcessServer, userId: string) {
    const { url: baseUrl, appId, clientKey } = at;
    const client = createClient({ baseUrl, appId, clientKey, reconnectWait: 50 });
    const seen: string[] = [];
    client.on("groupMessage", (message) => void seen.push(message.messageId));
    await client.login({ bareId: userId });
    return { client, seen };
  }

  function request(text: string, clientMessageId: string) {
    return {
      receiver: { peer: { case: "groupId" as const, value: groupId } },
      content: { content: { case: "text" as const, value: { text } } },
      clientMessageId,
    };
  }

  /** A bare client: one send at a time, repeated with the same key until it is answered. */
  async function sendUntilStopped(user: TestUser) {
    while (running) {
      const key = randomUUID();
      for (;;) {
        try {
          const { message } = await user.rpc.message.sendMessage(request("bare", key));
          witness.set(key, { messageId: message?.messageId ?? "", seq: message?.seq ?? 0 });
          break;
        } catch {
          await delay(10);
        }
      }
    }
  }

  async function sendBySdk(client: Client) {
    while (running) {
      const sends = Array.from({ length: 5 }, () => client.messages.send(group(groupId), { text: "sdk" }));
      for (const send of sends) {
        const message: ChatMessage = await send.stored;
        witness.set(send.clientMessageId, { messageId: message.messageId, seq: message.seq });
      }
    }
  }

  /** A bare reader: saves the cursor of each event and goes on from it. */
  function follow(user: TestUser, from: string): Follower {
    const abort = new AbortController();
    const follower: Follower = { seqs: [], resyncs: 0, stop };
    let cursor = from;
    const run = async () => {
      while (!abort.signal.aborted) {
        try {
          for await (const { frame } of user.rpc.message.subscribe({ cursor }, { signal: abort.signal })) {
            if (frame.case === "resyncRequired") follower.resyncs += 1;
            if (frame.case !== "event") continue;
            const { event } = frame.value;
            if (event.case === "messageCreated") follower.seqs.push(event.value.message?.seq ?? 0);
            cursor = frame.value.cursor;
          }
        } catch {
          await delay(10);
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

  async function readAll(): Promise<ChatMessage[]> {
    const messages: ChatMessage[] = [];
    const reader = users[0] as TestUser;
    for (let afterSeq = 0; ; ) {
      const page = await reader.rpc.history.listMessages({
        peer: { peer: { case: "groupId", value: groupId } },
        position: { case: "afterSeq", value: afterSeq },
        pageSize: 100,
      });
      messages.push(...page.messages);
      afterSeq = page.messages.at(-1)?.seq ?? afterSeq;
      if (page.nextPageToken === "") return messages;
    }
  }
});
