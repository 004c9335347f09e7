import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { describe, expect, it, onTestFinished, type TestContext } from "vitest";
import {
  eventually,
  newUser,
  openStream,
  refusal,
  rpcOver,
  startTestServer,
  subscribe,
  type TestServer,
  type TestServerOptions,
  type TestStream,
  transportTo,
} from "../support/index.js";
import { newDevice, streamFailure } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { callHeaders, connectFrames, openStream as openHttp2Stream } from "./h2-frames.js";
import { beside, seen, startVictim } from "./victim.js";

async function serve(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startTestServer(options);
  onTestFinished(() => server.close());
  return server;
}

/** Subscribes as soon as the server lets it: a stream that was left is gone a moment later. */
async function whenThereIsRoom(user: Parameters<typeof subscribe>[0]): Promise<TestStream> {
  return await eventually(async () => {
    const stream = openStream(user);
    const refused = stream.ended.then((error) => {
      throw error;
    });
    await Promise.race([stream.frame("caughtUp"), refused]);
    return stream;
  });
}

describe("H7: streams are capped", () => {
  it("in one connection: a flood of them is cut, and others go on", async (context: TestContext) => {
    const victim = await startVictim();
    onTestFinished(() => victim.stop());
    const streams = sized(2_000, 100_000);
    const outcome = await beside(victim, async () => {
      const attacker = await connectFrames(victim.url);
      const call = callHeaders("/parley.v1.MessageService/SendMessage");
      for (let at = 0; at < streams && !attacker.isClosed(); at += 1000)
        await attacker.flood(
          Buffer.concat(Array.from({ length: 1000 }, (_, more) => openHttp2Stream((at + more) * 2 + 1, call))),
          1,
        );
      await eventually(() => expect(attacker.resets() > 0 || attacker.isClosed()).toBe(true));
      attacker.socket.destroy();
    });
    expect(outcome.rssGrowthMib).toBeLessThan(60);
    figure(context, `${outcome.attacks} connections of ${streams} streams: ${seen(outcome)}`);
  });

  it("in one connection: a hundred are open at once, and who opens more is cut", async () => {
    const server = await serve();
    const client = await connectFrames(server.url);
    const call = callHeaders("/parley.v1.MessageService/SendMessage");
    const open = (from: number, streams: number) =>
      client.socket.write(
        Buffer.concat(Array.from({ length: streams }, (_, at) => openHttp2Stream((from + at) * 2 + 1, call))),
      );
    open(0, 100);
    await client.roundTrip();
    expect(client.resets()).toBe(0);
    open(100, 1);
    await client.closed;
  });

  it("of one user: the oldest is told TOO_MANY_STREAMS", async (context: TestContext) => {
    const server = await serve();
    const user = await newUser(server);
    const devices = sized(25, 100);
    const streams: TestStream[] = [];
    for (let at = 0; at < devices; at += 1) streams.push(await subscribe(await newDevice(server, user)));
    const ended = () => streams.filter(({ frames }) => frames.some(({ case: name }) => name === "goodbye"));
    await eventually(() => expect(ended()).toEqual(streams.slice(0, devices - 10)));
    for (const stream of ended())
      expect(await stream.frame("goodbye")).toMatchObject({ reason: GoodbyeReason.TOO_MANY_STREAMS, reconnect: false });
    for (const stream of streams) await stream.close();
    figure(context, `${devices} streams of one user: 10 stay`);
  });

  it("of the node: SERVER_BUSY with a delay; one that ends makes room, one that replaces its older needs none", async () => {
    const server = await serve({ limits: { streams: 3 } });
    const user = await newUser(server);
    const streams: TestStream[] = [];
    for (let at = 0; at < 3; at += 1) streams.push(await subscribe(await newDevice(server, user)));
    const last = await newUser(server);
    const refused = await refusal(streamFailure(last));
    expect(refused).toMatchObject({ code: "Unavailable", reason: "SERVER_BUSY" });
    expect(refused.detail.retryDelay?.seconds).toBe(5n);
    expect(refused.detail.retryable).toBe(true);
    const device = await newDevice(server, user);
    await streams.pop()?.close();
    const first = await whenThereIsRoom(device);
    const second = await subscribe(device);
    await first.frame("goodbye");
    for (const stream of [...streams, second]) await stream.close();
    for (let at = 0; at < 3; at += 1) streams.push(await whenThereIsRoom(await newDevice(server, user)));
  });

  it("of one address, its users however many: RATE_LIMITED with a delay; a neighbour is served", async () => {
    const server = await serve({ limits: { streamsPerAddress: 2 }, settings: { trustedProxies: ["127.0.0.1"] } });
    const from = async (address: string) => {
      const user = await newUser(server);
      const headers = { authorization: `Bearer ${user.token}`, "x-forwarded-for": address };
      return { rpc: rpcOver(transportTo(server.url, headers)) };
    };
    const streams: TestStream[] = [];
    for (let at = 0; at < 2; at += 1) streams.push(await subscribe(await from("203.0.113.7")));
    const refused = await refusal(streamFailure(await from("203.0.113.7")));
    expect(refused).toMatchObject({ code: "ResourceExhausted", reason: "RATE_LIMITED" });
    expect(refused.detail.retryDelay?.seconds).toBe(5n);
    streams.push(await subscribe(await from("203.0.113.8")));
    for (let at = 0; at < 3; at += 1) streams.push(await subscribe(await newUser(server)));
    await streams.shift()?.close();
    streams.push(await whenThereIsRoom(await from("203.0.113.7")));
    for (const stream of streams) await stream.close();
  });
});

describe("H7: connections of one address are capped", () => {
  const outside = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
  if (outside === undefined && process.env.PARLEY_REQUIRE_ALL === "1")
    throw new Error("a network beside the loopback is needed");

  it.skipIf(outside === undefined)(
    "and counted; this machine's own are not, nor those of a trusted proxy",
    async () => {
      const crowd = async (settings: TestServerOptions["settings"], address: string) => {
        const server = await serve({ settings: { host: "0.0.0.0", connectionsPerAddress: 5, ...settings } });
        const { port } = new URL(server.url);
        const sockets = Array.from({ length: 12 }, () => connect(Number(port), address));
        let refused = 0;
        for (const socket of sockets) {
          socket.on("error", () => undefined).on("close", () => (refused += 1));
          onTestFinished(() => void socket.destroy());
        }
        await newUser({ ...server, url: `http://127.0.0.1:${port}` });
        const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
        const counted = Number(/connections_refused_total\{reason="address"\} (\d+)/.exec(metrics)?.[1] ?? 0);
        await eventually(() => expect(refused).toBe(counted));
        return refused;
      };
      expect(await crowd({}, outside ?? "")).toBe(7);
      expect(await crowd({}, "127.0.0.1")).toBe(0);
      expect(await crowd({ trustedProxies: [outside ?? ""] }, outside ?? "")).toBe(0);
      expect(await crowd({ connectionsPerAddress: 0 }, outside ?? "")).toBe(0);
    },
  );
});
