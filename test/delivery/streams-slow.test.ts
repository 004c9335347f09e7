import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { type Crowd, makeCrowd, openAll } from "../support/crowd.js";
import { backend, eventually, login, openStream, withToken } from "../support/index.js";
import { count, must, newGroup, text, textsOf, toGroup } from "../support/messaging.js";
import { figuresOf, mib } from "../support/process-figures.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { openRawStream, type RawStream } from "../support/raw-stream.js";
import { type HeapServer, startHeapServer } from "./heap-server.js";

const READERS = sized(20, 100);
const SECONDS = sized(3, 60);
/** What one process can read beside a server on two cores: 10,000 deliveries a second. */
const EVENTS_PER_SECOND = sized(500, 100);
const BATCHES_PER_SECOND = 10;
const BATCH = EVENTS_PER_SECOND / BATCHES_PER_SECOND;
/** When every stalled reader's queue is full, and none has been sent away. */
const LOOK_AFTER_SECONDS = sized(2, 20);
const PADDING = "x".repeat(400);
/** What may come of other suites that run beside the first tier. */
const NOISE_MS = sized(5_000, 250);
const QUEUE_BYTES = 256 * 1024;
const SPARE_BYTES = 20 * 2 ** 20;

interface Run {
  texts: string[];
  p99Ms: number;
  /** What the server held then, without garbage, and the most that it ever had. */
  heldBytes: number;
  mostBytes: number;
}

/** Sends numbered messages to the group at a steady rate, and measures how late the healthy readers get them. */
async function drive(
  server: HeapServer,
  crowd: Crowd,
  owner: string,
  groupId: string,
  seconds = SECONDS,
): Promise<Run> {
  const { message } = backend(server).as(owner);
  const sentMs = new Map<string, number>();
  const lateMs: number[] = [];
  for (const member of crowd.members)
    member.onText = (words) => void lateMs.push(performance.now() - must(sentMs.get(words)));
  let [heldBytes, mostBytes] = [0, 0];
  const began = performance.now();
  for (let batch = 0; batch < seconds * BATCHES_PER_SECOND; batch++) {
    const due = began + (batch * 1000) / BATCHES_PER_SECOND;
    if (due > performance.now()) await delay(due - performance.now());
    const words = count(BATCH).map((at) => `${began} ${batch * BATCH + at} ${PADDING}`);
    for (const each of words) sentMs.set(each, performance.now());
    await message.sendMessages({
      requests: words.map((each) => ({ receiver: toGroup(groupId), content: text(each) })),
    });
    mostBytes = Math.max(mostBytes, figuresOf(server.pid).rssBytes);
    if (batch === LOOK_AFTER_SECONDS * BATCHES_PER_SECOND) heldBytes = await heldBy(server);
  }
  const texts = [...sentMs.keys()];
  await eventually(() => expect(lateMs.length).toBe(texts.length * crowd.members.length), 60_000);
  lateMs.sort((a, b) => a - b);
  return { texts, heldBytes, mostBytes, p99Ms: must(lateMs[Math.floor(lateMs.length * 0.99)]) };
}

/** The memory of the server's process after a collection. */
async function heldBy(server: HeapServer): Promise<number> {
  await server.heapBytes();
  return figuresOf(server.pid).rssBytes;
}

const eventsOf = (stream: RawStream) => stream.frames.flatMap((frame) => (frame.case === "event" ? [frame.value] : []));

it(`S8: ${READERS} stalled readers beside ${READERS} healthy ones at ${EVENTS_PER_SECOND} events a second for ${SECONDS} s`, {
  timeout: sized(120_000, 600_000),
}, async (context) => {
  const server = await startHeapServer();
  const healthy = await makeCrowd(server, READERS);
  const asleep = await makeCrowd(server, READERS);
  try {
    const owner = await login(server, "owner");
    const members = [...healthy.members, ...asleep.members] as never[];
    const groupId = await newGroup(owner, members);
    await openAll(healthy);
    // Compiled and warm before anything is compared.
    await drive(server, healthy, owner.userId, groupId, 1);
    const calm = await drive(server, healthy, owner.userId, groupId);
    const stalled = await Promise.all(asleep.members.map((member) => openRawStream(server.url, member)));
    const baseBytes = await heldBy(server);
    const cursor = must(healthy.members[0]).cursor;
    const run = await drive(server, healthy, owner.userId, groupId);
    const growth = run.heldBytes - baseBytes;

    let resyncs = 0;
    for (const [at, stream] of stalled.entries()) {
      stream.read();
      let ended = false;
      void stream.ended.then(() => {
        ended = true;
      });
      await eventually(() => {
        if (!ended) expect(eventsOf(stream).length).toBeGreaterThanOrEqual(run.texts.length);
      }, 60_000);
      const seen = eventsOf(stream);
      // One that slept longer than a write may stall was sent away or cut, and goes on where it was.
      const { token } = must(asleep.members[at]);
      const rest = openStream({ rpc: withToken(server, token) }, { cursor: seen.at(-1)?.cursor ?? cursor });
      await eventually(() => expect(rest.frames.some(({ case: name }) => name === "caughtUp")).toBe(true), 60_000);
      expect([...textsOf(seen), ...textsOf(rest.events())]).toEqual(run.texts);
      resyncs += [...stream.frames, ...rest.frames].filter(({ case: name }) => name === "resyncRequired").length;
      await rest.close();
      stream.leave("cut");
    }
    figure(
      context,
      `${READERS} stalled and ${READERS} healthy, ${run.texts.length} events: memory +${mib(growth)} (+${mib(run.mostBytes - baseBytes)} at most, garbage included), healthy p99 ${Math.round(run.p99Ms)} ms ` +
        `(${Math.round(calm.p99Ms)} ms without the stalled); all woke to everything, ${resyncs} resyncs`,
    );
    expect(resyncs).toBe(0);
    expect(growth).toBeLessThan(READERS * QUEUE_BYTES + SPARE_BYTES);
    expect(run.p99Ms).toBeLessThan(2 * calm.p99Ms + NOISE_MS);
  } finally {
    healthy.close();
    asleep.close();
    await server.stop();
  }
});
