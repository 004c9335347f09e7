import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectWhole, follow, readAll, sendWhile, startGroup, type Witness } from "../durability/load.js";
import { eventually, type TestUser } from "../support/index.js";
import { must } from "../support/messaging.js";
import { natsInstalled } from "../support/nats.js";
import { sized } from "../support/proofs/tier.js";
import { type Cluster, startCluster } from "./processes.js";

const ROUNDS = sized(1, 5);
const SENDERS = sized(2, 8);
const FOLLOWERS = sized(2, 6);
/** What systemd and others give a process before they kill it. */
const STOP_MS = 30_000;

describe.skipIf(!natsInstalled("a rolling restart"))("two nodes that are restarted one after the other", () => {
  let cluster: Cluster;
  let users: TestUser[];
  let groupId: string;
  beforeAll(async () => {
    cluster = await startCluster(2);
    const names = [...Array(FOLLOWERS).keys()].map((n) => `follower-${n}`);
    names.push(...[...Array(SENDERS).keys()].map((n) => `sender-${n}`));
    ({ users, groupId } = await startGroup(cluster, names));
  }, 120_000);
  afterAll(async () => {
    await cluster?.close();
  }, 60_000);

  it(
    "lose nothing and make nobody load again",
    async () => {
      const witness: Witness = new Map();
      const { cursor } = await must(users[0]).rpc.message.listEvents({});
      const followers = users.slice(0, FOLLOWERS).map((user) => follow(user, cursor));
      let running = true;
      const work = users.slice(FOLLOWERS).map((user) =>
        sendWhile(
          () => running,
          user,
          groupId,
          (key, ack) => witness.set(key, ack),
        ),
      );
      const written = async () => {
        const before = witness.size;
        await eventually(() => expect(witness.size).toBeGreaterThan(before + 5), 30_000);
      };
      let slowestMs = 0;
      for (let round = 0; round < ROUNDS; round++)
        for (const node of cluster.nodes) {
          await written();
          const began = performance.now();
          // By SIGTERM, as an upgrade does; the other one has all the load meanwhile.
          expect(await node.server.stop()).toBe(0);
          slowestMs = Math.max(slowestMs, performance.now() - began);
          await written();
          await node.start();
          await eventually(async () => expect((await fetch(`${node.url}/readyz`)).status).toBe(200), 15_000);
        }
      await written();
      running = false;
      await Promise.all(work);
      const stored = await readAll(must(users[0]), groupId);
      expectWhole(stored, witness);
      for (const one of followers) {
        await eventually(() => expect(one.seen.length).toBe(stored.length), 30_000);
        expect(one.seen.map(({ seq }) => seq)).toEqual(stored.map(({ seq }) => seq));
        expect(one.resyncs).toBe(0);
        await one.stop();
      }
      expect(slowestMs).toBeLessThan(STOP_MS);
    },
    sized(120_000, 600_000),
  );
});
