import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Client, createClient, group } from "@parley/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type TestUser } from "../support/index.js";
import { count } from "../support/messaging.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { TEMP_PARENT } from "../support/temp-parent.js";
import { expectWhole, follow, readAll, sendWhile, startGroup, type Witness } from "./load.js";

const ROUNDS = sized(30, 300);
const SENDERS = sized(4, 20);
const FOLLOWERS = sized(3, 10);

describe("D1: kill -9 under load", () => {
  const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-kill-"));
  const witness: Witness = new Map();
  let server: ProcessServer;
  let port: number;
  let groupId: string;
  let running = true;
  let users: TestUser[];
  const sdks: { client: Client; seen: string[] }[] = [];

  beforeAll(async () => {
    port = await freePort();
    server = await spawnServer({ dataDir, port });
    for (const at of count(2)) sdks.push(await startSdk(`sdk-${at}`));
    const names = count(SENDERS).map((at) => `bare-${at}`);
    ({ users, groupId } = await startGroup(server, names, ["sdk-1", "sdk-2"]));
  });

  afterAll(async () => {
    for (const { client } of sdks) await client.close();
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it(`keeps every acknowledged message once, in order, over ${ROUNDS} crashes, for bare clients and the SDK`, async (context) => {
    const reader = users[0] as TestUser;
    const { cursor } = await reader.rpc.message.listEvents({});
    const followers = users.slice(0, FOLLOWERS).map((user) => follow(user, cursor));
    const work = [
      ...users.map((user) =>
        sendWhile(
          () => running,
          user,
          groupId,
          (key, ack) => void witness.set(key, ack),
        ),
      ),
      ...sdks.map(({ client }) => sendBySdk(client)),
    ];
    for (let round = 0; round < ROUNDS; round++) {
      // Each life of the server acknowledges something, however slow the machine; the moment of its end is random.
      const before = witness.size;
      await eventually(() => expect(witness.size).toBeGreaterThan(before + 10), 60_000);
      await delay(Math.random() * sized(150, 500));
      await server.kill();
      server = await spawnServer({ dataDir, port });
    }
    running = false;
    await Promise.all(work);
    const stored = await readAll(reader, groupId);
    expectWhole(stored, witness);
    expect(witness.size).toBeGreaterThanOrEqual(ROUNDS * 11);
    for (const follower of followers) {
      await eventually(() => expect(follower.seen.length).toBe(stored.length), 20_000);
      expect(follower.seen.map(({ seq }) => seq)).toEqual(stored.map((message) => message.seq));
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

  async function startSdk(userId: string) {
    const { url: baseUrl, appId, clientKey } = server;
    const client = createClient({ baseUrl, appId, clientKey, reconnectWait: 50 });
    const seen: string[] = [];
    client.on("groupMessage", (message) => void seen.push(message.messageId));
    await client.login({ bareId: userId });
    return { client, seen };
  }

  async function sendBySdk(client: Client) {
    while (running) {
      const sends = count(5).map(() => client.messages.send(group(groupId), { text: "sdk" }));
      for (const send of sends) {
        const { messageId, seq } = await send.stored;
        witness.set(send.clientMessageId, { messageId, seq, retried: false, deduplicated: false });
      }
    }
  }
});
