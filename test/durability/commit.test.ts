import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type TestUser } from "../support/index.js";
import { count, must } from "../support/messaging.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { tempFolder } from "../support/temp-store.js";
import { type Ack, expectWhole, follow, overHttp2, readAll, sendWhile, startGroup, type Witness } from "./load.js";
import { buildShim, hasShim, KILL_POINTS, type KillPoint } from "./shim/preload.js";

const KILLS = sized(2, 50);
const SENDERS = 3;

describe.skipIf(!hasShim("D2"))("D2: kill -9 at each point of a commit", () => {
  const folder = tempFolder();
  const shimEnv = buildShim(folder.path);
  const dataDir = `${folder.path}/data`;
  const witness: Witness = new Map();
  // Where each life of the server ended, but for the last one.
  const ends: KillPoint[] = [];
  // The life in which a message was first told to the reader, and the one in which its sender was answered.
  const told = new Map<string, number>();
  const answered = new Map<string, number>();
  let running = true;
  let port: number;
  let server: ProcessServer;

  beforeAll(async () => {
    port = await freePort();
    server = await spawnServer({ dataDir, port });
  });

  afterAll(async () => {
    await server.stop();
    folder[Symbol.dispose]();
  });

  it("keeps what was acknowledged, settles every unknown outcome, and leaves readers whole", async (context) => {
    const names = count(SENDERS + 1).map((at) => `user-${at}`);
    const { users, groupId } = await startGroup(server, names);
    const [reader, ...senders] = users as [TestUser, ...TestUser[]];
    const { cursor } = await reader.rpc.message.listEvents({});
    const follower = follow(reader, cursor, (key) => void told.set(key, ends.length));
    // HTTP/2 writes in a later turn than HTTP/1.1, so the reader is told before the senders are answered.
    const sends = senders.map((user) => sendWhile(() => running, overHttp2(server, user), groupId, onAck));
    await server.stop();

    for (const point of count(KILLS).flatMap(() => KILL_POINTS)) {
      const kill = { point, commit: 5 + Math.floor(Math.random() * 20) };
      server = await spawnServer({ dataDir, port, env: shimEnv({ folder: dataDir, kill }) });
      await once(server.process, "exit", { signal: AbortSignal.timeout(60_000) });
      expect(server.process.signalCode).toBe("SIGKILL");
      ends.push(point);
    }
    server = await spawnServer({ dataDir, port });
    running = false;
    await Promise.all(sends);

    const stored = await readAll(reader, groupId);
    expectWhole(stored, witness);
    // Nothing is stored whose sender does not know it.
    expect(stored.length).toBe(witness.size);
    await eventually(() => expect(follower.seen.length).toBe(stored.length), 20_000);
    expect(follower.seen.map(({ seq }) => seq)).toEqual(stored.map((message) => message.seq));
    expect(follower.resyncs).toBe(0);
    await follower.stop();

    // That the kills hit what they were meant for. Now and then one hits a commit without a message in it.
    const most = Math.floor(KILLS / 2);
    const settled = KILL_POINTS.map((point) => outcomes(point));
    for (const { point, resent, known, early } of settled) {
      expect(resent, point).toBeGreaterThanOrEqual(KILLS);
      if (point === "before-write") expect(resent - known, point).toBeGreaterThanOrEqual(most);
      else expect(known, point).toBeGreaterThanOrEqual(most);
      if (point === "after-publish") expect(early, point).toBeGreaterThanOrEqual(most);
    }
    const said = settled.map(({ point, resent, known }) => `${point} ${known} of ${resent}`).join(", ");
    figure(
      context,
      `${ends.length} kills, ${witness.size} acknowledged, 0 lost, 0 doubled; of the sends without an answer a resend found stored: ${said}`,
    );
  }, 1_800_000);

  function onAck(key: string, ack: Ack) {
    witness.set(key, ack);
    answered.set(key, ends.length);
  }

  /** What became of the sends that had no answer when the server was killed at a point. */
  function outcomes(point: KillPoint) {
    const lifeOf = (key: string) => must(answered.get(key));
    const resent = [...witness].filter(([key, { retried }]) => retried && ends[lifeOf(key) - 1] === point);
    return {
      point,
      resent: resent.length,
      known: resent.filter(([, { deduplicated }]) => deduplicated).length,
      early: resent.filter(([key]) => must(told.get(key)) < lifeOf(key)).length,
    };
  }
});
