import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { describe, expect, test } from "vitest";
import {
  newUser,
  rpcOver,
  startTestServer,
  subscribe,
  type TestStream,
  type TestUser,
  transportTo,
  withToken,
} from "../support/index.js";
import { count, must, newDevice, newPair, say, send, text, toUser } from "../support/messaging.js";
import { freePort, spawnServer } from "../support/process-server.js";
import { openRawStream } from "../support/raw-stream.js";
import { TEMP_PARENT } from "../support/temp-parent.js";

async function drainOf(stream: TestStream): Promise<number> {
  expect(await stream.ended).toBeUndefined();
  expect(stream.frames.at(-1)?.case).toBe("goodbye");
  const goodbye = await stream.frame("goodbye");
  expect(goodbye).toMatchObject({ reason: GoodbyeReason.DRAIN, reconnect: true });
  return durationMs(must(goodbye.retryDelay));
}

describe("a server that is asked to stop", () => {
  test("tells every stream to come back, each after a delay of its own, whatever its protocol", async () => {
    const server = await startTestServer({ times: { drainMs: 2000 } });
    const jerry = await newUser(server);
    const streams: TestStream[] = [];
    for (const at of count(9)) {
      const { token } = await newDevice(server, jerry);
      const bearer: Interceptor = (next) => (request) => {
        request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      };
      const shared = { baseUrl: server.url, interceptors: [bearer] };
      const transport = [
        createConnectTransport({ ...shared, httpVersion: "1.1" }),
        createConnectTransport({ ...shared, httpVersion: "2" }),
        createGrpcTransport(shared),
      ][at % 3];
      streams.push(await subscribe({ rpc: rpcOver(must(transport)) }));
    }
    const began = performance.now();
    const closing = server.running.close();
    const delays = await Promise.all(streams.map(drainOf));
    for (const delay of delays) expect(delay).toBeLessThanOrEqual(2000);
    expect(new Set(delays).size).toBeGreaterThan(1);
    await closing;
    // Everybody left, so nobody had to be waited for.
    expect(performance.now() - began).toBeLessThan(1900);
    await server.close();
    expect((await server.running.closed).fatal).toBe(false);
  });

  test("P1: has stored every send that it answered, and no other twice", async () => {
    const server = await startTestServer();
    const [tom, jerry] = await newPair(server);
    const answered = new Map<string, number>();
    const unanswered: string[] = [];
    const sender = async (lane: number) => {
      for (let at = 1; ; at++) {
        const clientMessageId = `${lane}-${at}`;
        try {
          const message = await say(tom, toUser(jerry.userId), clientMessageId, { clientMessageId });
          answered.set(clientMessageId, message.seq);
          if (answered.size === 100) void server.running.close();
        } catch {
          unanswered.push(clientMessageId);
          return;
        }
      }
    };
    await Promise.all(count(8).map(sender));
    const again = await server.restart();
    const [tom2, jerry2] = [tom, jerry].map((user) => ({ ...user, rpc: withToken(again, user.token) })) as [
      TestUser,
      TestUser,
    ];
    for (const clientMessageId of unanswered)
      answered.set(clientMessageId, (await say(tom2, toUser(jerry.userId), clientMessageId, { clientMessageId })).seq);
    const { messages } = await jerry2.rpc.history.listMessages({
      peer: toUser(tom.userId),
      position: { case: "afterSeq", value: 0 },
      pageSize: 100,
    });
    expect(answered.size).toBeGreaterThanOrEqual(108);
    expect([...answered.values()].sort((a, b) => a - b)).toEqual(count(answered.size));
    for (const message of messages) expect(answered.get(message.clientMessageId)).toBe(message.seq);
    const { conversation } = await jerry2.rpc.conversation.getConversation({ peer: toUser(tom.userId) });
    expect(conversation?.headSeq).toBe(answered.size);
    await again.close();
  });

  test("answers the calls that are under way, and those that wait for an event at once", async () => {
    const server = await startTestServer();
    const [tom, jerry] = await newPair(server);
    const spike = await newUser(server);
    const overH2 = ({ token }: TestUser) => rpcOver(transportTo(server.url, { authorization: `Bearer ${token}` }, "2"));
    const rpc = overH2(tom);
    await send({ rpc }, toUser(jerry.userId), "0");
    const { cursor } = await spike.rpc.message.listEvents({});
    const waiting = [spike.rpc, overH2(spike)].map((each) =>
      each.message.listEvents({ cursor, wait: durationFromMs(25_000) }),
    );
    const batch = { requests: count(100).map((at) => ({ receiver: toUser(jerry.userId), content: text(String(at)) })) };
    const began = performance.now();
    const sends = count(5).map(() => rpc.message.sendMessages(batch));
    // The last of what was sent is under way once an earlier one is answered: one connection keeps their order.
    await sends[0];
    await server.running.close();
    for (const call of await Promise.all(sends))
      expect(call.results.every((result) => result.message !== undefined)).toBe(true);
    for (const answer of await Promise.all(waiting)) expect(answer.events).toEqual([]);
    expect(performance.now() - began).toBeLessThan(2900);
    await server.close();
  });

  test("waits for a client that does not read no longer than the grace", async () => {
    const server = await startTestServer({ times: { drainMs: 200 } });
    const [tom, jerry] = await newPair(server);
    const stalled = await openRawStream(server.url, jerry);
    const requests = count(50).map(() => ({ receiver: toUser(jerry.userId), content: text("x".repeat(8000)) }));
    await tom.rpc.message.sendMessages({ requests });
    const began = performance.now();
    await server.running.close();
    expect(performance.now() - began).toBeGreaterThanOrEqual(190);
    expect(performance.now() - began).toBeLessThan(5000);
    stalled.leave("cut");
    await server.close();
  });

  test("can be asked twice, and takes no calls any more", async () => {
    const server = await startTestServer();
    const tom = await newUser(server);
    const one = server.running.close();
    expect(server.running.close()).toBe(one);
    await one;
    await expect(tom.rpc.auth.listSessions({})).rejects.toThrow();
    await server.close();
  });
});

test("a server process that gets SIGTERM says goodbye and ends by itself, with code 0", async () => {
  const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-drain-"));
  const process = await spawnServer({ dataDir, port: await freePort() });
  const [tom, jerry] = [await newUser(process, "tom"), await newUser(process, "jerry")];
  const streams = await Promise.all([tom, jerry].map((user) => subscribe(user)));
  await say(tom, toUser(jerry.userId), "hi");
  expect(await process.stop()).toBe(0);
  for (const stream of streams) await drainOf(stream);
  rmSync(dataDir, { recursive: true });
});
