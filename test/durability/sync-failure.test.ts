import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { eventually, type TestUser } from "../support/index.js";
import { count } from "../support/messaging.js";
import { freePort, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { seed, sized } from "../support/proofs/tier.js";
import { randomFrom } from "../support/random.js";
import { tempFolder } from "../support/temp-store.js";
import { examine } from "./crash-state.js";
import { type Ack, expectWhole, follow, readAll, sendWhile, startGroup } from "./load.js";
import { createDiskModel } from "./shim/disk-model.js";
import { readJournal } from "./shim/journal.js";
import { buildShim, hasShim } from "./shim/preload.js";

const ROUNDS = sized(4, 20);
const STATES = 5;
const START_CHANGES = 60;
const SENDERS = 4;

describe.skipIf(!hasShim("D6"))("D6: the disk fails to sync", () => {
  const folder = tempFolder();
  const shimEnv = buildShim(folder.path);
  afterAll(() => folder[Symbol.dispose]());

  it("ends with 70 at once, acknowledges nothing of that batch, and makes good what is sent again", async (context) => {
    const runSeed = seed();
    const random = randomFrom(runSeed);
    const dataDir = join(folder.path, "data");
    const journal = join(folder.path, "journal");
    const at = () => statSync(journal).size;
    const options = { dataDir, port: await freePort() };
    let server = await spawnServer({ ...options, env: shimEnv({ folder: dataDir, journal }) });
    const { users, groupId } = await startGroup(
      server,
      count(SENDERS).map((n) => `user-${n}`),
    );
    const [reader] = users as [TestUser];
    const { cursor } = await reader.rpc.message.listEvents({});
    const follower = follow(reader, cursor);
    await server.stop();

    let running = true;
    const acks = new Map<string, Ack & { at: number }>();
    const onAck = (key: string, ack: Ack) => void acks.set(key, { ...ack, at: at() });
    const sends = users.map((user) => sendWhile(() => running, user, groupId, onAck));
    const exits: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const fail = { file: "wal" as const, sync: 5 + Math.floor(random() * 30) };
      // What it says of the failure is left out of the tests' output.
      const env = { ...shimEnv({ folder: dataDir, journal, fail }), PARLEY_LOG_LEVEL: "silent" };
      server = await spawnServer({ ...options, env });
      const [code] = await once(server.process, "exit", { signal: AbortSignal.timeout(60_000) });
      exits.push(Date.now());
      expect(code).toBe(70);
    }
    const before = acks.size;
    server = await spawnServer({ ...options, env: shimEnv({ folder: dataDir, journal }) });
    await eventually(() => expect(acks.size).toBeGreaterThan(before + 10), 60_000);
    running = false;
    await Promise.all(sends);

    const stored = await readAll(reader, groupId);
    expectWhole(stored, acks);
    expect(stored.length).toBe(acks.size);
    await eventually(() => expect(follower.seen.length).toBe(stored.length), 20_000);
    expect(follower.seen.map(({ seq }) => seq)).toEqual(stored.map((message) => message.seq));
    expect(follower.resyncs).toBe(0);
    await follower.stop();
    await server.stop();

    // Whatever the failed syncs left undone on the disk for ever, no acknowledgement hangs on it.
    const model = createDiskModel(random);
    const fails: number[] = [];
    let [sinceStart, starts] = [0, 0];
    const resent = [...acks.values()].filter(({ retried }) => retried).map((ack) => ack.at);
    for (const change of readJournal(journal)) {
      model.apply(change);
      if (change.op === "syncFailed") fails.push(change.timeMs);
      if (change.op === "start") sinceStart = 0;
      // A start puts right what a failed sync left; until it has, the power may fail too.
      const isStarting = fails.length > 0 && ++sinceStart <= START_CHANGES;
      if (isStarting) starts++;
      if (change.op !== "syncFailed" && !isStarting && !resent.includes(change.end)) continue;
      const due = new Map([...acks].filter(([, ack]) => ack.at <= change.end));
      for (const _ of count(isStarting ? 1 : STATES)) {
        const { lost, wrong } = await examine(model.crash(random), "", { appId: undefined, acks: due });
        expect({ lost, wrong }, `seed ${runSeed}`).toEqual({ lost: 0, wrong: [] });
      }
    }
    expect(fails.length).toBe(ROUNDS);
    const slowest = Math.max(...fails.map((failed, n) => (exits[n] as number) - failed));
    expect(slowest).toBeLessThan(5_000);
    const again = resent.length;
    figure(
      context,
      `${ROUNDS} failed syncs: exit 70 after at most ${slowest} ms, ${acks.size} acknowledged, 0 lost, ${again} settled by a resend; ${starts} power losses while starting again`,
    );
  }, 600_000);
});
