import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
import { examineFolder } from "@parley/server";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { backend, eventually, type TestUser } from "../support/index.js";
import { count, newDevice, say, textOf, toGroup, toUser } from "../support/messaging.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { TEMP_PARENT } from "../support/temp-parent.js";
import { expectWhole, readAll, sendWhile, startGroup, type Witness } from "./load.js";

const DELETED = sized(4, 20);
const WORDS = sized(30, 300);

describe("users deleted under load, with kill -9 in the middle", () => {
  const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-erasure-"));
  const witness: Witness = new Map();
  let server: ProcessServer;
  let port: number;
  let users: TestUser[];
  let groupId: string;
  let running = true;

  beforeAll(async () => {
    port = await freePort();
    server = await spawnServer({ dataDir, port });
    const names = count(DELETED + 2).map((at) => `user-${at}`);
    ({ users, groupId } = await startGroup(server, names));
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("are out of reach after every crash, others lose nothing, and what is stored is blanked in the end", async (context) => {
    const [reader, writer, ...others] = users as [TestUser, TestUser, ...TestUser[]];
    for (const user of others)
      for (const at of count(WORDS)) {
        await say(user, toUser(reader.userId), `secret words ${at}`);
        await say(user, toGroup(groupId), `secret words ${at}`);
      }
    const work = sendWhile(
      () => running,
      writer,
      groupId,
      (key, ack) => void witness.set(key, ack),
    );
    const gone: string[] = [];
    for (const { userId } of others) {
      // Whether the crash came before or after its commit, a deletion that was answered stands.
      await backend(server).admin.deleteUser({ userId });
      gone.push(userId);
      await delay(Math.random() * 20);
      await server.kill();
      server = await spawnServer({ dataDir, port });
      const own = await readAll(reader, groupId);
      for (const message of own) {
        const { value } = message.sender?.sender ?? {};
        if (gone.includes(String(value))) expect([message.state, textOf(message)]).toEqual([MessageState.DELETED, ""]);
      }
      for (const id of gone) {
        const { messages } = await reader.rpc.history.listMessages({ peer: toUser(id) });
        expect(messages.map(textOf).join("")).toBe("");
        expect(messages).toHaveLength(Math.min(20, WORDS));
      }
    }
    running = false;
    await work;
    // Retention begins a while after a start; crash it once more while it is at it.
    await eventually(() => expect(pending()).toBeLessThan(gone.length), 30_000).catch(() => undefined);
    await server.kill();
    server = await spawnServer({ dataDir, port });
    await eventually(() => expect(pending()).toBe(0), 60_000);
    const again = await newDevice(server, reader);
    const stored = await readAll(again, groupId);
    expectWhole(stored, witness);
    expect(stored.filter((message) => message.state === MessageState.DELETED)).toHaveLength(others.length * WORDS);
    const findings = await examineFolder(dataDir, { quick: false, secretKey: undefined });
    expect(findings.filter(({ state }) => state === "problem")).toEqual([]);
    expect(holding("secret words")).toBe(0);
    figure(
      context,
      `${gone.length} deletions, each followed by kill -9: 0 words readable, 0 of ${witness.size} acknowledged lost`,
    );
  }, 300_000);

  function query(statement: string, ...values: unknown[]): number {
    const database = new Database(join(dataDir, "parley.db"), { readonly: true });
    const found = database
      .prepare(statement)
      .pluck()
      .get(...values) as number;
    database.close();
    return found;
  }
  const pending = () => query("select count(*) from erasure");
  const holding = (words: string) =>
    query("select count(*) from message where instr(payload, ?) > 0", Buffer.from(words)) +
    query("select count(*) from event where instr(payload, ?) > 0", Buffer.from(words));
});
