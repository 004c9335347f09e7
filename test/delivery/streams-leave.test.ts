import { expect, it } from "vitest";
import { eventually, newUser, type TestUser } from "../support/index.js";
import { count, metric, must, newDevice, text, toUser } from "../support/messaging.js";
import { mib } from "../support/process-figures.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { openRawStream } from "../support/raw-stream.js";
import { startHeapServer } from "./heap-server.js";

const USERS = 3;
/** The most that one user may have. */
const DEVICES = 10;
const ROUNDS = sized(10, 334);
/** Caches fill and code is compiled for the first thousands, so the long run is compared with what comes after them. */
const WARM_ROUNDS = sized(4, 100);
const LEAVE = ["reset", "close", "cut"] as const;

/** Fills every queue of a user's streams, whose clients take nothing. */
async function flood(user: TestUser): Promise<void> {
  const requests = count(20).map(() => ({ receiver: toUser(user.userId), content: text("x".repeat(8000)) }));
  for (const _ of count(3)) await user.rpc.message.sendMessages({ requests });
}

it(`S9: ${ROUNDS * USERS * DEVICES} stalled readers leave by reset, close and cut, and nothing is left of them`, {
  timeout: sized(120_000, 1_800_000),
}, async (context) => {
  const server = await startHeapServer();
  try {
    const users = await Promise.all(count(USERS).map(() => newUser(server)));
    const devices = (
      await Promise.all(users.map((user) => Promise.all(count(DEVICES).map(() => newDevice(server, user)))))
    ).flat();
    const round = async (at: number) => {
      const streams = await Promise.all(devices.map((device) => openRawStream(server.url, device)));
      for (const user of users) await flood(user);
      for (const [of, stream] of streams.entries()) stream.leave(must(LEAVE[(of + at) % LEAVE.length]));
      // A reset of the stream leaves the connection, and a close waits for what it will never read.
      for (const stream of streams) stream.leave("cut");
      await Promise.all(streams.map((stream) => stream.closed));
    };
    for (const at of count(WARM_ROUNDS)) await round(at);
    const before = await server.heapBytes();
    for (const at of count(ROUNDS)) await round(at);
    await eventually(async () => expect(await metric(server, "parley_sessions")).toBe(0), 30_000);
    expect(await metric(server, "parley_stream_queue_bytes")).toBe(0);
    // They were let in, and did stall.
    expect(await metric(server, "parley_shed_total")).toBe(0);
    expect(await metric(server, "parley_stream_live_to_reading_total")).toBeGreaterThan((ROUNDS * devices.length) / 2);
    const after = await server.heapBytes();
    figure(
      context,
      `${ROUNDS * devices.length} left: 0 streams, 0 bytes queued, heap ${mib(before)} before and ${mib(after)} after`,
    );
    expect(after).toBeLessThan(before * 1.05);
  } finally {
    await server.stop();
  }
});
