import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  anonymous,
  backend,
  eventually,
  newUser,
  refusal,
  rpcOver,
  startTestServer,
  subscribe,
  type TestServer,
  type TestStream,
  type TestUser,
} from "../support/index.js";
import {
  count,
  eventsAfter,
  millis,
  must,
  newDevice,
  newGroup,
  newPair,
  say,
  says,
  streamFailure,
  textsOf,
  toGroup,
  toUser,
} from "../support/messaging.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ times: { heartbeatMs: 200 } });
});
afterAll(() => server.close());

/** The kinds of the frames, but for the heartbeats, which a busy machine lets come at any time. */
const casesOf = (stream: TestStream) => stream.frames.map((frame) => frame.case).filter((name) => name !== "heartbeat");
const goodbyeOf = async (stream: TestStream) => {
  expect(await stream.ended).toBeUndefined();
  expect(casesOf(stream).at(-1)).toBe("goodbye");
  const { reason, reconnect } = await stream.frame("goodbye");
  return { reason, reconnect };
};

describe("the frames", () => {
  test("of an empty cursor: started at now, caught up at once, then live", async () => {
    const [tom, jerry] = await newPair(server);
    await say(tom, toUser(jerry.userId), "before");
    const stream = await subscribe(jerry);
    expect(casesOf(stream)).toEqual(["started", "caughtUp"]);
    const started = await stream.frame("started");
    expect(started).toMatchObject({ sessionId: jerry.sessionId, resumed: true });
    expect(durationMs(must(started.heartbeatInterval))).toBe(200);
    expect(Math.abs(millis(started.serverTime) - Date.now())).toBeLessThan(5000);
    expect((await stream.frame("caughtUp")).cursor).toBe(started.cursor);
    await say(tom, toUser(jerry.userId), "after");
    const event = await stream.event(says("after"));
    expect(event).toMatchObject({ kind: EventKind.MESSAGE_CREATED });
    expect(textsOf(stream.events())).toEqual(["after"]);
    expect(event.cursor).not.toBe(started.cursor);
    await stream.close();
  });

  test("of a cursor: everything after it, once and in order, then caught up, then live", async () => {
    const [tom, jerry] = await newPair(server);
    const group = await newGroup(tom, [jerry]);
    const { cursor } = await jerry.rpc.message.listEvents({});
    const live = await subscribe(jerry);
    for (const at of count(12))
      await say(
        at % 3 === 0 ? jerry : tom,
        at % 2 === 0 ? toGroup(group) : toUser(at % 3 === 0 ? tom.userId : jerry.userId),
        `m${at}`,
      );
    await jerry.rpc.friend.addFriend({ userId: tom.userId });
    await live.event((event) => event.kind === EventKind.FRIEND_CHANGED);
    const { cursor: head } = await jerry.rpc.message.listEvents({});
    const all = live.events();
    expect(all).toHaveLength(13);
    const device = await newDevice(server, jerry);
    for (const [at, from] of [cursor, ...all.map((event) => event.cursor)].entries()) {
      const stream = await subscribe(device, { cursor: from });
      expect(stream.events()).toEqual(all.slice(at));
      expect(casesOf(stream)).toEqual(["started", ...all.slice(at).map(() => "event"), "caughtUp"]);
      expect(await stream.frame("started")).toMatchObject({ resumed: true, cursor: from });
      expect((await stream.frame("caughtUp")).cursor).toBe(head);
      await stream.close();
    }
    await live.close();
  });

  test("between replay and live nothing is lost or repeated, however busy the log is", async () => {
    const [tom, jerry] = await newPair(server);
    const { cursor } = await jerry.rpc.message.listEvents({});
    const sending = (async () => {
      for (const part of count(40))
        await tom.rpc.message.sendMessages({
          requests: count(10).map((at) => ({
            receiver: toUser(jerry.userId),
            content: { content: { case: "text", value: { text: String((part - 1) * 10 + at) } } },
          })),
        });
    })();
    const devices = await Promise.all(count(8).map(() => newDevice(server, jerry)));
    const streams: TestStream[] = [];
    for (const device of devices) streams.push(await subscribe(device, { cursor }));
    await sending;
    for (const stream of streams) {
      await stream.event(says("400"));
      expect(textsOf(stream.events())).toEqual(count(400).map(String));
      await stream.close();
    }
  });

  test("in quiet: a heartbeat whose cursor passes what was for others", async () => {
    const [tom, jerry] = await newPair(server);
    const stream = await subscribe(jerry);
    const { cursor } = await stream.frame("caughtUp");
    await say(tom, toUser(tom.userId), "for others");
    const { cursor: head } = await jerry.rpc.message.listEvents({});
    const beat = await eventually(() =>
      must(stream.frames.find((frame) => frame.case === "heartbeat" && frame.value.cursor === head)),
    );
    expect(head).not.toBe(cursor);
    await stream.close();
    await say(tom, toUser(jerry.userId), "next");
    const resumed = await subscribe(jerry, { cursor: beat.case === "heartbeat" ? beat.value.cursor : "" });
    expect(textsOf(resumed.events())).toEqual(["next"]);
    await resumed.close();
  });

  test("of the kinds asked for; cursors pass the others", async () => {
    const [tom, jerry] = await newPair(server);
    const { cursor } = await jerry.rpc.message.listEvents({});
    await say(tom, toUser(jerry.userId), "m1");
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    await say(tom, toUser(jerry.userId), "m2");
    const kinds = [EventKind.FRIEND_CHANGED];
    const stream = await subscribe(jerry, { cursor, kinds });
    expect(stream.events().map((event) => event.kind)).toEqual(kinds);
    const { cursor: caughtUp } = await stream.frame("caughtUp");
    expect((await eventsAfter(jerry.rpc, caughtUp)).events).toEqual([]);
    await say(tom, toUser(jerry.userId), "m3");
    const { cursor: head } = await jerry.rpc.message.listEvents({});
    await eventually(() =>
      must(stream.frames.find((frame) => frame.case === "heartbeat" && frame.value.cursor === head)),
    );
    await tom.rpc.friend.removeFriend({ userId: jerry.userId });
    await eventually(() => expect(stream.events()).toHaveLength(2));
    await jerry.rpc.auth.logout({});
    expect(await goodbyeOf(stream)).toEqual({ reason: GoodbyeReason.SESSION_REVOKED, reconnect: false });
    expect(stream.events().map((event) => event.kind)).toEqual([...kinds, ...kinds, EventKind.SESSION_REVOKED]);
  });
});

describe("who may subscribe", () => {
  test("sessions only", async () => {
    const tom = await newUser(server);
    for (const rpc of [anonymous(server), backend(server), backend(server).as(tom.userId)])
      expect(await refusal(streamFailure({ rpc }))).toMatchObject({
        code: "Unauthenticated",
        reason: "UNAUTHENTICATED",
      });
  });
});

describe("one stream a session", () => {
  test("a newer one takes over without a gap, and the older is told not to come back", async () => {
    const [tom, jerry] = await newPair(server);
    const { cursor } = await jerry.rpc.message.listEvents({});
    const sending = (async () => {
      for (const at of count(60)) await say(tom, toUser(jerry.userId), String(at));
    })();
    const streams: TestStream[] = [];
    for (const _ of count(6)) {
      streams.push(await subscribe(jerry, { cursor }));
      const older = streams.at(-2);
      if (older === undefined) continue;
      expect(await goodbyeOf(older)).toEqual({ reason: GoodbyeReason.REPLACED, reconnect: false });
    }
    await sending;
    const newest = must(streams.at(-1));
    await newest.event(says("60"));
    await newest.close();
    const all = count(60).map(String);
    expect(textsOf(newest.events())).toEqual(all);
    for (const stream of streams) expect(textsOf(stream.events())).toEqual(all.slice(0, stream.events().length));
  });

  test("a user's 11th ends the oldest; a newer one of the same session ends no other", async () => {
    const jerry = await newUser(server);
    const devices: TestUser[] = [];
    for (const _ of count(11)) devices.push(await newDevice(server, jerry));
    const streams: TestStream[] = [];
    for (const device of devices.slice(0, 10)) streams.push(await subscribe(device));
    streams.push(await subscribe(must(devices[4])));
    expect(await goodbyeOf(must(streams[4]))).toEqual({ reason: GoodbyeReason.REPLACED, reconnect: false });
    await say(jerry, toUser(jerry.userId), "ten");
    const open = streams.filter((_, at) => at !== 4);
    for (const stream of open) await stream.event(says("ten"));
    streams.push(await subscribe(must(devices[10])));
    expect(await goodbyeOf(must(streams[0]))).toEqual({ reason: GoodbyeReason.TOO_MANY_STREAMS, reconnect: false });
    await say(jerry, toUser(jerry.userId), "still ten");
    for (const stream of [...open.slice(1), must(streams.at(-1))]) {
      await stream.event(says("still ten"));
      await stream.close();
    }
  });

  test("a pause ends it and says so; the next Subscribe ends the pause", async () => {
    const [tom, jerry] = await newPair(server);
    const stream = await subscribe(jerry);
    await jerry.rpc.message.pauseSession({});
    expect(await goodbyeOf(stream)).toEqual({ reason: GoodbyeReason.PAUSED, reconnect: false });
    await say(tom, toUser(jerry.userId), "meanwhile");
    const { cursor } = await stream.frame("caughtUp");
    const next = await subscribe(jerry, { cursor });
    expect(textsOf(next.events())).toEqual(["meanwhile"]);
    await next.close();
  });
});

describe("every protocol gives the same events", () => {
  const withHeader =
    (token: string): Interceptor =>
    (next) =>
    (request) => {
      request.header.set("authorization", `Bearer ${token}`);
      return next(request);
    };
  type Make = (baseUrl: string, interceptors: Interceptor[]) => Transport;
  const transports: [string, Make][] = [true, false].flatMap((useBinaryFormat): [string, Make][] => {
    const codec = useBinaryFormat ? "binary" : "JSON";
    const both = (["1.1", "2"] as const).flatMap((httpVersion): [string, Make][] => [
      [
        `Connect ${codec} over HTTP/${httpVersion}`,
        (baseUrl, interceptors) => createConnectTransport({ baseUrl, httpVersion, interceptors, useBinaryFormat }),
      ],
      [
        `gRPC-Web ${codec} over HTTP/${httpVersion}`,
        (baseUrl, interceptors) => createGrpcWebTransport({ baseUrl, httpVersion, interceptors, useBinaryFormat }),
      ],
    ]);
    return [
      ...both,
      [`gRPC ${codec}`, (baseUrl, interceptors) => createGrpcTransport({ baseUrl, interceptors, useBinaryFormat })],
    ];
  });

  test("replayed and live, and ends each by a goodbye", async () => {
    const [tom, jerry] = await newPair(server);
    const { cursor } = await jerry.rpc.message.listEvents({});
    await say(tom, toUser(jerry.userId), "replayed", { attributes: { a: [1, "é", null] } });
    const streams = await Promise.all(
      transports.map(async ([, make]) => {
        const device = await newDevice(server, jerry);
        return await subscribe({ rpc: rpcOver(make(server.url, [withHeader(device.token)])) }, { cursor });
      }),
    );
    await say(tom, toUser(jerry.userId), "live", { mentions: { everyone: true } });
    const { events } = await eventsAfter(jerry.rpc, cursor);
    expect(textsOf(events)).toEqual(["replayed", "live"]);
    for (const [at, stream] of streams.entries()) {
      await stream.event(says("live"));
      expect([transports[at]?.[0], stream.events()]).toEqual([transports[at]?.[0], events]);
    }
    const { sessions } = await jerry.rpc.auth.listSessions({});
    for (const { sessionId, current } of sessions) if (!current) await jerry.rpc.auth.revokeSession({ sessionId });
    for (const stream of streams)
      expect(await goodbyeOf(stream)).toEqual({ reason: GoodbyeReason.SESSION_REVOKED, reconnect: false });
  });

  test("a stream that never began", async () => {
    const tom = await newUser(server);
    for (const [, make] of transports) {
      const rpc = rpcOver(make(server.url, [withHeader(`${tom.token}x`)]));
      expect(await refusal(streamFailure({ rpc }))).toMatchObject({ code: "Unauthenticated" });
    }
  });
});
