import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PushEnvironment } from "@parley/proto/parley/v1/installation_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { follow } from "../durability/load.js";
import { comeBack, makeCrowd } from "../support/crowd.js";
import { type FakeApns, startFakeApns } from "../support/fake-apns.js";
import { backend, eventually, login, subscribe } from "../support/index.js";
import { count, must, say, text, toEveryone, toUser } from "../support/messaging.js";
import { natsInstalled } from "../support/nats.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { newPhone } from "../support/push.js";
import { makePushKeys, type PushKeys, TOPIC } from "../support/push-keys.js";
import { tempFolder } from "../support/temp-store.js";
import { type Cluster, startCluster } from "./processes.js";
import { watchPresence } from "./watch-presence.js";

const SESSIONS = sized(200, 2_000);
const PHONES = sized(3, 20);
const BACK_P50_MS = sized(6_000, 3_000);
const BACK_ALL_MS = sized(30_000, 12_000);

describe.skipIf(!natsInstalled("the loss of a node"))("a node that dies", () => {
  const folder = tempFolder();
  let keys: PushKeys;
  let apns: FakeApns;
  let cluster: Cluster;

  beforeAll(async () => {
    keys = makePushKeys();
    apns = await startFakeApns(keys);
    const ca = join(folder.path, "ca.pem");
    writeFileSync(ca, keys.ca);
    cluster = await startCluster(3, { PARLEY_APNS_URL: apns.url.origin, NODE_EXTRA_CA_CERTS: ca });
    const { keyP8, keyId, teamId } = keys.token;
    await backend(cluster).admin.setPushCredential({
      credential: { case: "apnsToken", value: { keyP8, keyId, teamId, topic: TOPIC } },
      environment: PushEnvironment.UNSPECIFIED,
    });
  }, 120_000);
  afterAll(async () => {
    await cluster?.close();
    await apns?.close();
    keys?.[Symbol.dispose]();
    folder[Symbol.dispose]();
  }, 60_000);

  it("S5: its sessions are back on the others soon, and nobody who is was told gone, or pushed", async (context) => {
    const [dying, ...others] = cluster.nodes.map(({ url }) => url);
    // All begin at one node.
    cluster.balancer.targets = [must(dying)];
    const crowd = await makeCrowd(cluster, SESSIONS);
    for (let at = 0; at < SESSIONS; at += 50) await Promise.all(crowd.members.slice(at, at + 50).map(comeBack));
    const phones = await Promise.all(count(PHONES).map((at) => newPhone(cluster, `phone-${at}`)));
    const streams = await Promise.all(
      phones.map(async (phone) => follow(phone, (await phone.rpc.message.listEvents({})).cursor)),
    );
    const lost = await newPhone(cluster, "lost");
    const stream = await subscribe(lost);
    cluster.balancer.targets = others;
    const watcher = await login(cluster, "watcher");
    const friends = [...crowd.members.slice(0, 20), ...phones, lost].map(({ userId }) => userId);
    for (const userId of friends) await backend(cluster).as(watcher.userId).friend.addFriend({ userId });
    const { offline, stop } = watchPresence(watcher);
    await delay(500);

    await must(cluster.nodes[0]).kill();
    const began = performance.now();
    const backMs: number[] = [];
    const back = Promise.all(
      crowd.members.map(async (member) => {
        await member.ended;
        await comeBack(member);
        backMs.push(performance.now() - began);
      }),
    );
    // By connections that led to the dead node no call can be made.
    for (const { userId } of [...phones, lost])
      await eventually(() => say(watcher, toUser(userId), `to ${userId}`), 10_000);
    await eventually(
      () => backend(cluster).admin.sendSystemMessage({ receiver: toEveryone, content: text("everyone") }),
      10_000,
    );
    await back;
    backMs.sort((a, b) => a - b);
    for (const phone of streams) await eventually(() => expect(phone.seen).toHaveLength(1), 30_000);
    await eventually(() => {
      for (const member of crowd.members) if (member.texts.length < 1) throw new Error("not yet");
    }, 30_000);

    // The one who does not come back is told gone and pushed, once all that is waited for is over; nobody else is.
    await eventually(() => expect(offline).toEqual([lost.userId]), 60_000);
    const pushed = () => apns.received.filter(({ token }) => [...phones, lost].some((one) => one.pushToken === token));
    await eventually(() => expect(pushed().map(({ token }) => token)).toContain(lost.pushToken), 60_000);
    await delay(1_000);
    expect(new Set(pushed().map(({ token }) => token))).toEqual(new Set([lost.pushToken]));
    expect(new Set(pushed().map(({ pushId }) => pushId)).size).toBe(pushed().length);
    expect(offline).toEqual([lost.userId]);
    expect(crowd.members.map(({ texts, resyncs }) => [texts, resyncs])).toEqual(
      count(SESSIONS).map(() => [["everyone"], 0]),
    );
    const p50 = backMs[Math.floor(backMs.length / 2)] ?? 0;
    expect(p50).toBeLessThan(BACK_P50_MS);
    expect(backMs.at(-1)).toBeLessThan(BACK_ALL_MS);
    figure(
      context,
      `${SESSIONS} sessions back on 2 nodes, half within ${Math.ceil(p50)} ms, all within ${Math.ceil(backMs.at(-1) ?? 0)} ms; 0 of them told gone or pushed`,
    );
    for (const phone of streams) await phone.stop();
    await stream.close();
    await stop();
    crowd.close();
  }, 300_000);
});
