import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  eventually,
  newUser,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
  withToken,
} from "../support/index.js";
import { metric, newDevice } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { TIER_2 } from "../support/proofs/tier.js";
import { openRawStream } from "../support/raw-stream.js";
import { startTcpProxy } from "../support/tcp-proxy.js";

/** The defaults in the second tier; in the first all of them ten times shorter, but for what is looked at every second. */
const SHORT = { pingMs: 2_000, pingDeadlineMs: 1_000, ackQuietMs: 3_000, ackPersistMs: 500, presenceGraceMs: 500 };
const KILL_MS = TIER_2 ? 31_000 : 3_100;
const DOUBTFUL_MS = TIER_2 ? 80_000 : 8_000;
/** What a busy machine may add. */
const SLACK_MS = 10_000;
const WITHIN_MS = TIER_2 ? 120_000 : 40_000;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer(TIER_2 ? {} : { times: SHORT });
});
afterAll(() => server.close());

const open = () => metric(server, "parley_sessions");
const onlineTo = async (friend: TestUser, { userId }: TestUser) =>
  (await friend.rpc.user.getPresence({ userId })).presence?.online;

async function pair(): Promise<[TestUser, TestUser]> {
  const [friend, jerry] = [await newUser(server, "friend"), await newUser(server, "jerry")];
  await friend.rpc.friend.addFriend({ userId: jerry.userId });
  return [friend, jerry];
}

/** A client in a process of its own, which can be stopped as a laptop that sleeps is. */
async function startReader(user: TestUser): Promise<ChildProcess> {
  const program = fileURLToPath(new URL("stream-reader.mjs", import.meta.url));
  const child = spawn(process.execPath, [program, server.url, user.token], { stdio: ["ignore", "pipe", "inherit"] });
  await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line");
  return child;
}

/** Waits for something and tells how long it took. */
async function timed(check: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await eventually(check, WITHIN_MS);
  return performance.now() - began;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

describe.concurrent("S7: a peer that is gone without a word", () => {
  it("a stopped client process: HTTP/2 is found by PING and its user goes offline", {
    timeout: WITHIN_MS,
  }, async (context) => {
    const [friend, jerry] = await pair();
    const child = await startReader(jerry);
    try {
      expect(await onlineTo(friend, jerry)).toBe(true);
      child.kill("SIGSTOP");
      const tookMs = await timed(async () => {
        const { sessions } = await jerry.rpc.auth.listSessions({});
        expect(sessions.map(({ online }) => online)).toEqual([false]);
      });
      expect(tookMs).toBeLessThan(KILL_MS + SLACK_MS);
      await eventually(async () => expect(await onlineTo(friend, jerry)).toBe(false), 30_000);
      figure(context, `a stopped client found by PING in ${seconds(tookMs)}`);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("a network that swallows everything: the same", { timeout: WITHIN_MS }, async (context) => {
    const [friend, jerry] = await pair();
    const proxy = await startTcpProxy(server.url);
    const stream = await openRawStream(proxy.url, jerry);
    stream.read();
    await eventually(async () => expect(await onlineTo(friend, jerry)).toBe(true));
    proxy.freeze();
    const tookMs = await timed(async () => {
      const { sessions } = await jerry.rpc.auth.listSessions({});
      expect(sessions.map(({ online }) => online)).toEqual([false]);
    });
    expect(tookMs).toBeLessThan(KILL_MS + SLACK_MS);
    figure(context, `a swallowing network found by PING in ${seconds(tookMs)}`);
    stream.leave("cut");
    await proxy.close();
  });

  it("HTTP/1.1, which has no PING: a client that acknowledged once is doubtful after its silence; it is still streamed", {
    timeout: WITHIN_MS,
  }, async (context) => {
    const [friend, jerry] = await pair();
    const proxy = await startTcpProxy(server.url);
    const stream = await subscribe({ rpc: withToken({ url: proxy.url }, jerry.token) });
    const silent = await newDevice(server, jerry);
    await jerry.rpc.message.ackEvents({});
    expect(await onlineTo(friend, jerry)).toBe(true);
    proxy.freeze();
    const tookMs = await timed(async () => expect(await onlineTo(friend, jerry)).toBe(false));
    expect(tookMs).toBeLessThan(DOUBTFUL_MS + SLACK_MS);
    // Doubted is not cut: the stream is there, and one word from its client makes it count again.
    expect((await silent.rpc.auth.listSessions({})).sessions.some(({ online }) => online)).toBe(true);
    await jerry.rpc.message.ackEvents({});
    await eventually(async () => expect(await onlineTo(friend, jerry)).toBe(true));
    expect(await open()).toBeGreaterThanOrEqual(1);
    figure(context, `a silent client of HTTP/1.1 doubted after ${seconds(tookMs)}`);
    await stream.close();
    await proxy.close();
  });
});
