import { randomUUID } from "node:crypto";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../server/src/ops/clock.js";
import { checkLog } from "../../server/src/store/check-log.js";
import { openReader } from "../../server/src/store/reader.js";
import {
  eventually,
  login,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestStream,
  type TestUser,
  withToken,
} from "../support/index.js";
import { must, send, text, textsOf, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { makeSmallDisk } from "../support/small-disk.js";

const DISK_MIB = sized(10, 16);
const FILLER_BYTES = 2 * 1024 * 1024;
const TEXT = "x".repeat(6000);
const WEEK_MS = 7 * 86_400_000;

const disk = makeSmallDisk(DISK_MIB);
if (typeof disk === "string") {
  if (process.env.PARLEY_REQUIRE_ALL === "1") throw new Error(disk);
  console.warn(`skipped D5, which wants a disk of its own: ${disk}`);
}

describe.skipIf(typeof disk === "string")("D5: the disk is full", { timeout: 240_000 }, () => {
  let server: TestServer;
  let tom: TestUser;
  let jerry: TestUser;
  let stream: TestStream;
  let lateMs = 0;
  /** What was acknowledged, in order. */
  const acked: ChatMessage[] = [];
  const path = typeof disk === "string" ? "" : disk.path;
  const filler = join(path, "filler");

  beforeAll(async () => {
    writeFileSync(filler, Buffer.alloc(FILLER_BYTES));
    server = await startTestServer({
      settings: { dataDir: join(path, "data"), retentionForce: true, logLevel: "silent" },
      times: { heartbeatMs: 100, retentionIntervalMs: 200 },
      clock: { ...systemClock, now: () => systemClock.now() + lateMs },
    });
    [tom, jerry] = [await login(server, "Tom"), await login(server, "Jerry")];
    await tom.rpc.friend.addFriend({ userId: "Jerry" });
    stream = await subscribe(jerry);
  });

  afterAll(async () => {
    await stream.close();
    await server.close();
    if (typeof disk !== "string") disk.remove();
  });

  it("is told by name, while reads and streams go on; room heals it without a restart", async (context) => {
    const told = await fill();
    expect(told).toMatchObject({ code: "Unavailable", reason: "STORAGE_UNAVAILABLE" });
    expect(told.detail).toMatchObject({ retryable: true, metadata: { cause: "STORAGE_FULL" } });
    expect(told.detail.retryDelay?.seconds).toBe(1n);

    const refusedMs: number[] = [];
    for (let i = 0; i < 50; i++) {
      const began = performance.now();
      expect((await refusal(say())).detail.metadata.cause).toBe("STORAGE_FULL");
      refusedMs.push(performance.now() - began);
    }
    refusedMs.sort((a, b) => a - b);
    expect(refusedMs[25]).toBeLessThan(500);

    await eventually(() => expect(textsOf(stream.events())).toHaveLength(acked.length), 60_000);
    const beats = () => stream.frames.filter((frame) => frame.case === "heartbeat").length;
    const before = beats();
    await eventually(() => expect(beats()).toBeGreaterThan(before + 3));
    const second = await subscribe(jerry, { cursor: must(stream.events()[0]).cursor });
    await second.close();
    expect(await stored()).toEqual(acked.map((message) => message.messageId));

    const [ackedBefore, began] = [acked.length, performance.now()];
    rmSync(filler);
    await eventually(async () => acked.push(must((await say()).message)), 30_000);
    const healedMs = performance.now() - began;
    expect(healedMs).toBeLessThan(20_000);
    for (let i = 0; i < 20; i++) acked.push(must((await say()).message));
    expect(await stored()).toEqual(acked.map((message) => message.messageId));
    expect(await faults()).toEqual([]);
    figure(
      context,
      `${ackedBefore} acknowledged until full, 0 lost; 50 refused in ${must(refusedMs[25]).toFixed(0)} ms each; back ${(healedMs / 1000).toFixed(1)} s after room came`,
    );
  });

  it("retention deletes on it, and so makes it work again by itself", async (context) => {
    await fill();
    const free = statfsSync(path).bavail * statfsSync(path).bsize;
    const head = must(acked.at(-1)).seq;
    lateMs = WEEK_MS + 3_600_000;
    // Nothing else gives room back: the disk holds what it held.
    const first = await eventually(async () => must((await say()).message), 30_000);
    expect(first.seq).toBe(head + 1);
    const left = await stored();
    expect(left.length).toBeLessThan(acked.length / 2);
    expect(await faults()).toEqual([]);
    figure(context, `retention removed ${head + 1 - left.length} messages with ${(free / 1024).toFixed(0)} KiB left`);
  });

  it("a server starts on it, and serves what it has", async () => {
    await fill();
    const there = await stored();
    server = await server.restart();
    jerry = { ...jerry, rpc: withToken(server, jerry.token) };
    tom = { ...tom, rpc: withToken(server, tom.token) };
    expect(await stored()).toEqual(there);
    await (await subscribe(jerry)).close();
    // What little room the start has found is used up soon.
    expect((await fill()).detail.metadata.cause).toBe("STORAGE_FULL");
  });

  const say = () => send(tom, toUser("Jerry"), TEXT);

  /** Sends until the disk is full, and gives the first refusal of a send alone. */
  async function fill() {
    const one = () => ({ receiver: toUser("Jerry"), content: text(TEXT), clientMessageId: randomUUID() });
    for (let full = false; !full; ) {
      const requests = Array.from({ length: 20 }, one);
      const { results } = await tom.rpc.message.sendMessages({ requests });
      acked.push(...results.flatMap(({ message }) => (message === undefined ? [] : [message])));
      full = results.some(({ message }) => message === undefined);
    }
    for (;;) {
      const call = say();
      const answer = await call.catch(() => undefined);
      if (answer === undefined) return await refusal(call);
      acked.push(must(answer.message));
    }
  }

  /** The ids of what can be listed, in order. */
  async function stored(): Promise<string[]> {
    const ids: string[] = [];
    for (let afterSeq = 0; ; ) {
      const { messages, nextPageToken } = await jerry.rpc.history.listMessages({
        peer: toUser("Tom"),
        position: { case: "afterSeq", value: afterSeq },
        pageSize: 100,
      });
      ids.push(...messages.map((message) => message.messageId));
      afterSeq = messages.at(-1)?.seq ?? afterSeq;
      if (nextPageToken === "" || messages.length === 0) return ids;
    }
  }

  async function faults() {
    const { db, close } = openReader(join(server.dataDir, "parley.db"));
    try {
      return await checkLog(db);
    } finally {
      await close();
    }
  }
});
