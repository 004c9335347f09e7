import { setTimeout as delay } from "node:timers/promises";
import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  expectWhole,
  type Follower,
  follow,
  readAll,
  sendWhile,
  startGroup,
  type Witness,
} from "../durability/load.js";
import { CALM } from "../support/chaos-bus.js";
import { backend, eventually, login, subscribe, type TestUser } from "../support/index.js";
import { count, must } from "../support/messaging.js";
import { natsInstalled } from "../support/nats.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { type Cluster, type ProcessNode, startCluster } from "./processes.js";
import { watchPresence } from "./watch-presence.js";

const NODES = 3;
const TEST_MS = sized(120_000, 600_000);
const SENDERS = sized(4, 12);
const FOLLOWERS = sized(3, 9);
/** The first tier leaves the machine to others, the second sends as fast as it can. */
const PAUSE_MS = sized(20, 0);
const BACK_MS = 3_000;
const FROZEN_MS = 15_000;
/** Longer than a node that cannot reach the database goes on before it fences itself. */
const CUT_MS = 11_000;

const can = natsInstalled("faults of a cluster");

describe.skipIf(!can)("three nodes under load", () => {
  let cluster: Cluster;
  let users: TestUser[];
  let groupId: string;
  let watcher: TestUser;

  beforeAll(async () => {
    cluster = await startCluster(NODES);
    const names = [...count(FOLLOWERS).map((n) => `follower-${n}`), ...count(SENDERS).map((n) => `sender-${n}`)];
    ({ users, groupId } = await startGroup(cluster, names));
    watcher = await login(cluster, "watcher");
    for (const follower of users.slice(0, FOLLOWERS))
      await backend(cluster).as(watcher.userId).friend.addFriend({ userId: follower.userId });
  }, 120_000);
  afterAll(async () => {
    await cluster?.close();
  }, 60_000);

  const turns = (rounds: number): ProcessNode[] => count(rounds).map((at) => must(cluster.nodes[at % NODES]));

  /** Does something to the cluster under load, and shows that nobody lost anything by it. */
  async function under(fault: (witness: Witness) => Promise<void>) {
    const witness: Witness = new Map();
    const sentMs = new Map<string, number>();
    const lags: number[] = [];
    let running = true;
    const reader = must(users[0]);
    const { cursor } = await reader.rpc.message.listEvents({});
    const before = (await readAll(reader, groupId)).length;
    // Its stream is to the first node that takes it, and comes again when that is lost.
    const presence = watchPresence(watcher);
    const followers = users.slice(0, FOLLOWERS).map((user) =>
      follow(user, cursor, (key) => {
        const at = sentMs.get(key);
        if (at !== undefined) lags.push(performance.now() - at);
      }),
    );
    const work = users.slice(FOLLOWERS).map((user) =>
      sendWhile(
        () => running,
        user,
        groupId,
        (key, ack) => {
          witness.set(key, ack);
          sentMs.set(key, performance.now());
        },
        { pauseMs: PAUSE_MS },
      ),
    );
    await written(witness);
    await fault(witness);
    await written(witness);
    running = false;
    await Promise.all(work);
    const stored = await readAll(reader, groupId);
    expectWhole(stored, witness);
    const news = stored.slice(before).map(({ seq }) => seq);
    for (const one of followers) await whole(one, news);
    await presence.stop();
    return { witness, lags: lags.sort((a, b) => a - b), offline: presence.offline };
  }

  async function whole(one: Follower, news: readonly number[]) {
    await eventually(() => expect(one.seen.length).toBeGreaterThanOrEqual(news.length), 30_000);
    expect(one.seen.map(({ seq }) => seq)).toEqual(news);
    expect(one.resyncs).toBe(0);
    await one.stop();
  }

  /** Waits until some more is acknowledged, and gives how long that took. */
  async function written(witness: Witness): Promise<number> {
    const [before, began] = [witness.size, performance.now()];
    await eventually(() => expect(witness.size).toBeGreaterThan(before + 5), 60_000);
    return performance.now() - began;
  }

  it(
    "S5: nodes are killed",
    async (context) => {
      const { witness, offline } = await under(async (witness) => {
        for (const node of turns(sized(2, 20))) {
          await node.crash();
          await written(witness);
        }
      });
      // Who came back within the grace was not told to be gone.
      expect(offline).toEqual([]);
      figure(context, `${sized(2, 20)} nodes killed, ${told(witness)}`);
    },
    TEST_MS,
  );

  it(
    "D11: the database of three nodes crashes",
    async (context) => {
      let slowestMs = 0;
      const { witness, offline } = await under(async (witness) => {
        for (let round = 0; round < sized(2, 20); round++) {
          await cluster.postgres.crash();
          slowestMs = Math.max(slowestMs, await written(witness));
        }
      });
      expect(offline).toEqual([]);
      expect(slowestMs).toBeLessThan(BACK_MS);
      figure(
        context,
        `3 nodes, ${sized(2, 20)} crashes, ${told(witness)}, writes back within ${Math.ceil(slowestMs)} ms`,
      );
    },
    TEST_MS,
  );

  it(
    "S3: the bus drops, repeats and reorders 30 %",
    async (context) => {
      const { witness, lags, offline } = await under(async () => {
        for (const { bus } of cluster.nodes) bus.faults = { drop: 0.3, repeat: 0.3, delay: 0.3, lateMs: 1_000 };
        await delay(sized(4_000, 60_000));
        for (const { bus } of cluster.nodes) bus.faults = CALM;
      });
      expect(offline).toEqual([]);
      for (const { bus } of cluster.nodes) expect(Math.min(...Object.values(bus.done))).toBeGreaterThan(0);
      expect(p99(lags)).toBeLessThan(sized(5_000, 1_500));
      figure(context, `${told(witness)}, p99 ${Math.ceil(p99(lags))} ms`);
    },
    TEST_MS,
  );

  it(
    "S4: NATS is gone for a while",
    async (context) => {
      const { witness, lags, offline } = await under(async () => {
        await cluster.nats.stop();
        await delay(sized(4_000, 30_000));
        await cluster.nats.start();
      });
      expect(offline).toEqual([]);
      expect(p99(lags)).toBeLessThan(sized(3_000, 500));
      figure(context, `${told(witness)}, p99 ${Math.ceil(p99(lags))} ms`);
    },
    TEST_MS,
  );

  it(
    "S4: a node is cut off from NATS alone",
    async (context) => {
      const { witness, offline } = await under(async () => {
        must(cluster.nodes[0]).bus.part();
        await delay(sized(3_000, 30_000));
        must(cluster.nodes[0]).bus.join();
      });
      expect(offline).toEqual([]);
      figure(context, told(witness));
    },
    TEST_MS,
  );

  it(
    "S4: a node is cut off from the database alone",
    async (context) => {
      const { witness, offline } = await under(async (witness) => {
        const { database, url } = must(cluster.nodes[1]);
        const stream = await subscribe(await login({ ...cluster, url }, "cut-off"));
        database.freeze();
        await delay(CUT_MS);
        // It has sent its streams away and takes no call that needs the store, and the others go on.
        expect(await stream.frame("goodbye")).toMatchObject({ reason: GoodbyeReason.DRAIN, reconnect: true });
        await stream.ended;
        const asked = await fetch(`${url}/readyz`);
        // A client that kept its connection would be led to this node by no balancer's choice.
        expect([asked.status, asked.headers.get("connection")]).toEqual([503, "close"]);
        await written(witness);
        database.thaw();
        await eventually(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200), 15_000);
      });
      expect(offline).toEqual([]);
      figure(context, told(witness));
    },
    TEST_MS,
  );

  it(
    "S6: a node is frozen and thawed",
    async (context) => {
      const { witness, offline } = await under(async (witness) => {
        const node = must(cluster.nodes[2]);
        cluster.balancer.targets = cluster.nodes.filter((one) => one !== node).map(({ url }) => url);
        node.freeze();
        const frozen = delay(FROZEN_MS);
        // It may hold the log of the app: the database takes that from it.
        expect(await written(witness)).toBeLessThan(sized(8_000, 5_000));
        await frozen;
        node.thaw();
        cluster.balancer.targets = cluster.nodes.map(({ url }) => url);
      });
      expect(offline).toEqual([]);
      figure(context, told(witness));
    },
    TEST_MS,
  );
});

const told = (witness: Witness): string =>
  `${witness.size} acknowledged (${[...witness.values()].filter(({ retried }) => retried).length} at a later try), 0 lost, 0 doubled, 0 resyncs`;

const p99 = (lags: readonly number[]): number => lags[Math.floor(lags.length * 0.99)] ?? 0;
