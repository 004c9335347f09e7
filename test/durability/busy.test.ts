import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  eventually,
  newUser,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
} from "../support/index.js";
import { must, newPair, send, textsOf, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";

const HELD_MS = sized(4_000, 10_000);
const BEAT_MS = 500;
// One timer beats for all streams, once a second.
const SWEEP_MS = 1_000;

// A program of somebody else's, with the same library: it holds the database for writing, says so, and lets go in time.
const HOLDER = `
  import Database from "better-sqlite3";
  const db = new Database(process.argv[1]);
  db.exec("BEGIN IMMEDIATE");
  console.log("held");
  setTimeout(() => db.exec("COMMIT"), Number(process.argv[2]));`;

describe("D7: a foreign process holds the database", { timeout: 180_000 }, () => {
  let server: TestServer;
  let tom: TestUser;
  let jerry: TestUser;
  const database = () => join(server.dataDir, "parley.db");

  beforeAll(async () => {
    server = await startTestServer({
      settings: { logLevel: "silent" },
      times: { heartbeatMs: BEAT_MS, retentionIntervalMs: 100, ackPersistMs: 100, presenceGraceMs: 50 },
    });
    [tom, jerry] = await newPair(server);
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
  });
  afterAll(() => server.close());

  it("writes are refused by name or wait a moment, nobody else stalls, and it heals by itself", async (context) => {
    const stream = await subscribe(jerry);
    await send(tom, toUser(jerry.userId), "before");
    const { cursor } = await stream.event(({ event }) => event.case === "messageCreated");
    const beatsAt: number[] = [];
    stream.frames.push = (...frames) => {
      if (frames.some((frame) => frame.case === "heartbeat")) beatsAt.push(performance.now());
      return Array.prototype.push.apply(stream.frames, frames);
    };

    const loop = monitorEventLoopDelay({ resolution: 10 });
    const holder = spawn(process.execPath, ["--input-type=module", "-e", HOLDER, database(), String(HELD_MS)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const released = once(holder, "exit");
    await once(createInterface({ input: holder.stdout }), "line");
    loop.enable();
    // What writes in the background tries too: retention by its clock, an acknowledgement, a user who leaves.
    await jerry.rpc.message.ackEvents({ cursor });
    await (await subscribe(tom)).close();
    const answeredMs: number[] = [];
    let refused = 0;
    while (holder.exitCode === null) {
      const began = performance.now();
      const call = send(tom, toUser(jerry.userId), "during");
      const stored = await call.then(
        () => true,
        () => false,
      );
      if (!stored) {
        const told = await refusal(call);
        expect(told).toMatchObject({ code: "Unavailable", reason: "STORAGE_UNAVAILABLE" });
        expect(told.detail.metadata.cause).toBe("STORAGE_BUSY");
        refused++;
      }
      answeredMs.push(performance.now() - began);
      await jerry.rpc.history.listMessages({ peer: toUser(tom.userId) });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    loop.disable();
    await released;
    expect(refused).toBeGreaterThan(3);
    expect(Math.max(...answeredMs)).toBeLessThan(2_000);
    const lateMs = Math.max(...beatsAt.slice(1).map((at, i) => at - must(beatsAt[i]) - BEAT_MS - SWEEP_MS));
    expect(beatsAt.length).toBeGreaterThan(1);
    expect(lateMs).toBeLessThan(2_000);
    const delayMs = loop.percentile(99) / 1e6;
    expect(delayMs).toBeLessThan(500);

    await send(tom, toUser(jerry.userId), "after");
    await stream.event((event) => textsOf([event]).includes("after"));
    // The acknowledgement that could not be stored was not forgotten.
    await eventually(() => expect(ackedPosOf(jerry)).toBeGreaterThan(0), 15_000);
    await stream.close();
    const slowest = Math.max(...answeredMs).toFixed(0);
    figure(
      context,
      `held ${(HELD_MS / 1000).toFixed(1)} s: ${refused} refused, the slowest in ${slowest} ms; event loop p99 ${delayMs.toFixed(0)} ms; latest heartbeat ${Math.max(0, lateMs).toFixed(0)} ms late`,
    );
  });

  function ackedPosOf(user: TestUser): number {
    const reader = new Database(database(), { readonly: true });
    const row = reader.prepare("SELECT acked_pos AS pos FROM session WHERE session_id = ?").get(user.sessionId);
    reader.close();
    return (row as { pos: number }).pos;
  }

  it("a login meanwhile is refused by name too, and nothing of it is left", async () => {
    const holder = new Database(database(), { timeout: 2_000 });
    holder.exec("BEGIN IMMEDIATE");
    expect(await refusal(newUser(server))).toMatchObject({ reason: "STORAGE_UNAVAILABLE" });
    holder.exec("COMMIT");
    holder.close();
    await newUser(server);
  });
});
