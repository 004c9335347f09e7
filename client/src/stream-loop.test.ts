import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { GoodbyeReason, ResyncReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { type EventKind, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { deferred } from "./outgoing-message.js";
import { user } from "./peer.js";
import { settle } from "./testing/fake-clock.js";
import { refusal } from "./testing/fake-server.js";
import { setUp, textOf } from "./testing/set-up.js";

const unavailable = () => new ConnectError("gone", Code.Unavailable);

async function loggedIn(...options: Parameters<typeof setUp>) {
  const made = setUp(...options);
  await made.client.login({ bareId: "Jerry" });
  await settle();
  return made;
}

describe("the stream", () => {
  it("goes through connecting and replaying to live", async () => {
    const { states, client } = await loggedIn();
    expect(states).toEqual(["connecting", "replaying", "live"]);
    expect(client.state).toMatchObject({ name: "live", attempt: 1 });
  });

  it("L1: brings every event once and in order, through any cut", async () => {
    const move = fc.oneof(
      { arbitrary: fc.constant("talk" as const), weight: 2 },
      fc.constantFrom("cut" as const, "drain" as const, "pause" as const, "resume" as const, "slow" as const),
      fc.record({ wait: fc.nat(3000) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(move, { maxLength: 40 }),
        fc.boolean(),
        fc.infiniteStream(fc.boolean()),
        async (moves, unlucky, chances) => {
          const chance = () => chances.next().value === true;
          const { server, clock, client, texts } = await loggedIn();
          let slow = deferred<void>();
          slow.resolve();
          client.on("friendMessage", () => slow.promise);
          let tries = 0;
          server.subscribeFault = () => (unlucky && ++tries % 3 === 0 ? unavailable() : undefined);
          let count = 0;
          for (const step of moves) {
            if (step === "talk") server.talk(String(count++));
            else if (step === "cut") server.cut();
            else if (step === "drain") server.goodbye(GoodbyeReason.DRAIN, true, 50);
            else if (step === "pause") void client.pause();
            else if (step === "resume") void client.resume();
            else if (step === "slow") {
              slow.resolve();
              slow = deferred();
            } else {
              slow.resolve();
              await clock.advance(step.wait);
            }
            if (chance()) await new Promise<void>((resolve) => setImmediate(resolve));
          }
          slow.resolve();
          void client.resume();
          await clock.advance(120_000);
          expect(texts).toEqual(Array.from({ length: count }, (_, i) => String(i)));
          await client.close();
        },
      ),
      { numRuns: 150, interruptAfterTimeLimit: 1500 },
    );
  }, 30_000);

  it("L2: saves a cursor after the listeners have returned, and asks from there after a pause", async () => {
    const saved: string[] = [];
    const { server, client } = setUp({
      cursorStore: { load: () => "", save: (_scope, cursor) => void saved.push(cursor), clear: () => {} },
    });
    const busy = deferred<void>();
    client.on("friendMessage", () => busy.promise);
    await client.login({ bareId: "Jerry" });
    await settle();
    server.talk("one");
    await settle();
    expect(saved).toEqual(["0"]);
    void client.pause();
    await client.resume();
    expect(server.subscriptions).toEqual(["", "0"]);
    busy.resolve();
    await settle();
    expect(saved).toEqual(["0", "1"]);
    expect(server.acks).not.toContain("1");
  });

  it("L3: acknowledges after applying, within 1 s, and every 25 s when idle", async () => {
    const { server, clock, client } = setUp();
    const busy = deferred<void>();
    client.on("friendMessage", () => busy.promise);
    await client.login({ bareId: "Jerry" });
    await settle();
    server.talk("one");
    await clock.advance(10_000);
    expect(server.acks).not.toContain("1");
    busy.resolve();
    await clock.advance(1000);
    expect(server.acks.at(-1)).toBe("1");
    const before = server.acks.length;
    for (let i = 0; i < 3; i++) {
      server.frame({ case: "heartbeat", value: { $typeName: "parley.v1.Heartbeat", cursor: "1" } });
      await clock.advance(20_000);
    }
    expect(server.acks.length - before).toBe(2);
  });

  it("L4: goes on when a listener throws, and tells error", async () => {
    const { server, client, texts, errors } = setUp();
    const failure = new Error("mine");
    client.on("friendMessage", () => {
      throw failure;
    });
    client.on("friendMessage", () => Promise.reject(failure));
    await client.login({ bareId: "Jerry" });
    server.talk("one");
    server.talk("two");
    await settle();
    expect(texts).toEqual(["one", "two"]);
    expect(errors).toEqual([failure, failure, failure, failure]);
  });

  it("L4: survives a listener of error that throws, and a store that fails", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => {});
    const { server, client, texts } = setUp({
      cursorStore: { load: () => "", save: () => Promise.reject(new Error("full")), clear: () => {} },
    });
    client.on("error", () => {
      throw new Error("again");
    });
    await client.login({ bareId: "Jerry" });
    server.talk("one");
    await settle();
    expect(texts).toEqual(["one"]);
    expect(printed).toHaveBeenCalled();
    printed.mockRestore();
  });

  it("L5: passes an unknown event on as event, and moves on", async () => {
    const { server, clock, client } = setUp();
    const kinds: unknown[] = [];
    client.on("event", ({ event }) => void kinds.push(event.case));
    await client.login({ bareId: "Jerry" });
    await settle();
    server.log.push(create(StreamEventSchema, { cursor: "1", kind: 99 as EventKind }));
    server.cut();
    await clock.advance(1000);
    server.cut();
    await clock.advance(1000);
    expect(kinds).toEqual([undefined]);
    expect(server.subscriptions).toEqual(["", "0", "1"]);
  });

  it("L6: drops what waited behind a slow listener when its stream was given up, and gets it again", async () => {
    const { server, client, texts } = setUp();
    const busy = deferred<void>();
    client.on("friendMessage", () => busy.promise);
    await client.login({ bareId: "Jerry" });
    await settle();
    server.talk("one");
    server.talk("two");
    await settle();
    await client.pause();
    await client.resume();
    await settle();
    expect(client.state).toMatchObject({ name: "replaying", attempt: 2 });
    expect(texts).toEqual(["one"]);
    busy.resolve();
    await settle();
    expect(texts).toEqual(["one", "two"]);
  });

  it("tells nothing more of an event whose reader logged out while a listener was busy with it", async () => {
    const { server, client } = await loggedIn();
    const busy = deferred<void>();
    const told: string[] = [];
    client.on("friendMessage", () => busy.promise);
    client.on("event", () => void told.push("event"));
    server.talk("one");
    await settle();
    void client.logout();
    busy.resolve();
    await settle();
    expect(told).toEqual([]);
  });

  it("L7: tells a gap before anything later, and keeps the old cursor until that is dealt with", async () => {
    const { server, clock, client, texts } = await loggedIn();
    server.talk("one");
    await settle();
    const told: unknown[] = [];
    const reload = deferred<void>();
    client.on("resync", ({ reason }) => {
      told.push(ResyncReason[reason], [...texts]);
      return reload.promise;
    });
    server.forgetful = ResyncReason.HISTORY_CHANGED;
    server.cut();
    await clock.advance(1000);
    server.talk("two");
    await settle();
    expect(told).toEqual(["HISTORY_CHANGED", ["one"]]);
    expect(texts).toEqual(["one"]);
    reload.resolve();
    await settle();
    expect(texts).toEqual(["one", "two"]);
  });

  it("O8: sends again what was lost before what waits, also while the application is busy until its own send is stored", async () => {
    const { server, clock, client } = await loggedIn();
    const sent: string[] = [];
    server.sendFault = ({ clientMessageId }) => void sent.push(clientMessageId);
    await client.messages.send(user("Tom"), { text: "one" }, { clientMessageId: "one" }).stored;
    let answered = false;
    client.on("friendMessage", async () => {
      await client.pause();
      server.forgetful = ResyncReason.HISTORY_CHANGED;
      void client.resume();
      await client.messages.send(user("Tom"), { text: "two" }, { clientMessageId: "two" }).stored;
      answered = true;
    });
    server.talk("wake up");
    await clock.advance(1000);
    expect(sent).toEqual(["one", "one", "two"]);
    expect(answered).toBe(true);
  });

  it("L7: takes a refused cursor for a gap", async () => {
    const { server, clock, client } = await loggedIn();
    const told: ResyncReason[] = [];
    client.on("resync", ({ reason }) => void told.push(reason));
    server.talk("one");
    await settle();
    let refused = false;
    server.subscribeFault = () => {
      if (refused) return undefined;
      refused = true;
      return refusal(ErrorReason.CURSOR_EXPIRED, Code.OutOfRange);
    };
    server.cut();
    await clock.advance(5000);
    expect(told).toEqual([ResyncReason.EXPIRED]);
    expect(server.subscriptions.at(-1)).toBe("");
    expect(client.state.name).toBe("live");
  });

  it("L8: opens no stream while the server is being told of a pause", async () => {
    const { server, client } = await loggedIn();
    const before = server.subscriptions.length;
    const paused = client.pause();
    const resumed = client.resume();
    expect(client.state.name).toBe("connecting");
    await Promise.all([paused, resumed]);
    expect(server.calls.indexOf("pauseSession")).toBeLessThan(server.calls.lastIndexOf("subscribe"));
    expect(server.subscriptions.length).toBe(before + 1);
  });

  it("L9: takes 2.5 heartbeats of silence for a loss, but not a busy application", async () => {
    const { server, clock, client } = setUp();
    const busy = deferred<void>();
    client.on("friendMessage", () => busy.promise);
    await client.login({ bareId: "Jerry" });
    await settle();
    server.talk("one");
    await clock.advance(120_000);
    expect(client.state).toMatchObject({ name: "live", attempt: 1 });
    busy.resolve();
    await clock.advance(49_000);
    expect(client.state).toMatchObject({ name: "live", attempt: 1 });
    await clock.advance(1_500);
    expect(client.state).toMatchObject({ name: "live", attempt: 2 });
  });

  it("L9: gives an attempt without a first frame 10 s", async () => {
    const { server, clock, client } = await loggedIn();
    server.stuck = true;
    server.cut();
    await clock.advance(1000);
    expect(client.state.name).toBe("replaying");
    await clock.advance(50_000);
    expect(client.state.attempt).toBe(3);
  });

  it.each([
    ["Subscribe", (server: ReturnType<typeof setUp>["server"]) => server.cut()],
    ["AckEvents", () => {}],
  ])("L10: ends in closed when %s finds the session to be no good", async (_call, act) => {
    const { server, clock, client } = await loggedIn();
    server.tokens.clear();
    act(server);
    await clock.advance(60_000);
    expect(client.state).toMatchObject({ name: "closed", reason: "session_rejected" });
    const attempts = server.subscriptions.length;
    await clock.advance(600_000);
    expect(server.subscriptions.length).toBe(attempts);
    await expect(client.resume()).rejects.toMatchObject({ reason: "CLOSED" });
    await client.login({ bareId: "Jerry" });
    expect(client.state.name).toBe("replaying");
  });

  it("L10: counts as rejected also where another had taken the stream over", async () => {
    const { server, client } = await loggedIn();
    server.goodbye(GoodbyeReason.REPLACED, false);
    await settle();
    server.tokens.clear();
    await expect(client.messages.setTyping(user("Tom"), true)).rejects.toBeDefined();
    await expect(client.sessions.list()).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
    expect(client.state).toMatchObject({ name: "closed", reason: "session_rejected" });
    await expect(client.login({ bareId: "Jerry" })).resolves.toBeDefined();
  });

  it("L1: does not bring an event again that was being applied when a rejected session came back", async () => {
    const { server, clock, client, texts } = setUp();
    const busy = deferred<void>();
    client.on("friendMessage", () => busy.promise);
    await client.login({ bareId: "Jerry" });
    await settle();
    server.talk("one");
    await settle();
    server.tokens.clear();
    await clock.advance(30_000);
    expect(client.state).toMatchObject({ name: "closed", reason: "session_rejected" });
    await client.login({ bareId: "Jerry" });
    await settle();
    busy.resolve();
    await clock.advance(1000);
    expect(client.state.name).toBe("live");
    expect(texts).toEqual(["one"]);
  });

  it("L11: tells friends as offline that a new stream does not name, and repeats nobody", async () => {
    const told: string[] = [];
    const { server, clock, client } = setUp();
    client.on("friendOnline", ({ userId }) => void told.push(`${userId} online`));
    client.on("friendOffline", ({ userId }) => void told.push(`${userId} offline`));
    server.online = ["Tom", "Spike"];
    await client.login({ bareId: "Jerry" });
    await settle();
    server.online = ["Spike", "Tyke"];
    server.cut();
    await clock.advance(1000);
    expect(told).toEqual(["Tom online", "Spike online", "Tyke online", "Tom offline"]);
  });
});

describe("losing the stream", () => {
  it("tries at once, then backs off, and gives up after the attempts allowed", async () => {
    const { server, clock, client, states } = await loggedIn({ reconnectAttempts: 3, reconnectWait: 1000 });
    const reasons: string[] = [];
    client.on("disconnected", ({ reason }) => void reasons.push(reason));
    server.subscribeFault = unavailable;
    server.cut();
    await settle();
    expect(states.at(-1)).toBe("waiting");
    await clock.advance(0);
    expect(server.subscriptions.length).toBe(2);
    expect(clock.waits()[0]).toBe(500);
    await clock.advance(10_000);
    expect(server.subscriptions.length).toBe(4);
    expect(client.state).toMatchObject({ name: "closed", reason: "gave_up" });
    expect(reasons).toEqual(["UNREACHABLE", "UNREACHABLE", "UNREACHABLE", "UNREACHABLE"]);
    server.subscribeFault = () => undefined;
    await client.resume();
    expect(client.state.name).toBe("replaying");
  });

  it("does not come back with autoReconnect off, until asked to", async () => {
    const { server, clock, client } = await loggedIn({ autoReconnect: false });
    server.cut();
    await clock.advance(60_000);
    expect(client.state).toMatchObject({ name: "closed", reason: "gave_up" });
    await client.resume();
    expect(client.state.name).toBe("replaying");
  });

  it("waits as long as the server says", async () => {
    const { server, clock, client } = await loggedIn();
    server.goodbye(GoodbyeReason.DRAIN, true, 4000);
    await clock.advance(3999);
    expect(client.state.name).toBe("waiting");
    await clock.advance(1);
    expect(client.state.name).toBe("live");
  });

  it.each([
    [GoodbyeReason.REPLACED, "replaced"],
    [GoodbyeReason.TOO_MANY_STREAMS, "refused"],
    [GoodbyeReason.SESSION_REVOKED, "session_rejected"],
  ])("takes goodbye %s for the end", async (reason, closed) => {
    const { server, clock, client } = await loggedIn();
    server.goodbye(reason, false);
    await clock.advance(60_000);
    expect(client.state).toMatchObject({ name: "closed", reason: closed });
    expect(server.subscriptions.length).toBe(1);
  });

  it("comes back after a pause that the server took late", async () => {
    const { server, clock, client } = await loggedIn();
    server.goodbye(GoodbyeReason.PAUSED, false);
    await clock.advance(1000);
    expect(client.state.name).toBe("live");
  });

  it("stops asking when the server says that it does not help", async () => {
    const { server, clock, client } = setUp();
    server.subscribeFault = () => refusal(ErrorReason.UNSUPPORTED, Code.Unimplemented);
    await client.login({ bareId: "Jerry" });
    await clock.advance(60_000);
    expect(client.state).toMatchObject({ name: "closed", reason: "refused" });
    expect(server.subscriptions.length).toBe(1);
  });

  it("goes on asking when only a proxy says so", async () => {
    const { server, clock, client } = setUp();
    server.subscribeFault = () => new ConnectError("404", Code.Unimplemented);
    await client.login({ bareId: "Jerry" });
    await clock.advance(60_000);
    expect(server.subscriptions.length).toBeGreaterThan(3);
    await client.close();
  });
});

describe("pause and resume", () => {
  it("goes offline and tells the server, keeps sends, and brings what was missed", async () => {
    const { server, client, texts, states } = await loggedIn();
    await client.pause();
    await client.pause();
    expect(client.state).toMatchObject({ name: "paused", inner: "live" });
    expect(server.calls.filter((call) => call === "pauseSession")).toHaveLength(1);
    expect(server.streams.size).toBe(0);
    server.talk("missed");
    const out = client.messages.send(user("Tom"), { text: "later" });
    await settle();
    expect([texts, out.status]).toEqual([[], "sending"]);
    await Promise.all([client.resume(), client.resume(), client.resume()]);
    await settle();
    expect([texts, out.status]).toEqual([["missed"], "sent"]);
    expect(server.streams.size).toBe(1);
    expect(states).toEqual(["connecting", "replaying", "live", "paused", "connecting", "replaying", "live"]);
  });

  it("acknowledges what was applied before it goes", async () => {
    const { server, client } = await loggedIn();
    server.talk("one");
    await settle();
    await client.pause();
    expect(server.acks.at(-1)).toBe("1");
    expect(server.calls.lastIndexOf("ackEvents")).toBeLessThan(server.calls.indexOf("pauseSession"));
  });

  it("is not undone by the network coming back", async () => {
    let tellOnline: (online: boolean) => void = () => {};
    const made = setUp();
    const platform = {
      ...made.server.platform,
      watchOnline: (onChange: (online: boolean) => void) => {
        tellOnline = onChange;
        onChange(true);
        return () => {};
      },
    };
    const { server } = made;
    server.platform = platform;
    const { client } = await loggedIn({}, server);
    await client.pause();
    tellOnline(false);
    tellOnline(true);
    expect(client.state.name).toBe("paused");
    tellOnline(false);
    await client.resume();
    expect(client.state.name).toBe("paused");
    tellOnline(true);
    await settle();
    expect(client.state.name).toBe("live");
  });

  it("holds from before the login on", async () => {
    const { server, client } = setUp();
    await client.pause();
    await client.login({ bareId: "Jerry" });
    expect(client.state).toMatchObject({ name: "paused", inner: "connecting" });
    expect(server.subscriptions).toEqual([]);
    await client.resume();
    expect(client.state.name).toBe("replaying");
  });
});

describe("events()", () => {
  it("gives every event in order, one at a time, and counts it as applied when the body is done", async () => {
    const saved: string[] = [];
    const { server, clock, client } = setUp({
      cursorStore: { load: () => "", save: (_scope, cursor) => void saved.push(cursor), clear: () => {} },
    });
    const seen: string[] = [];
    const gate = deferred<void>();
    const reading = (async () => {
      for await (const { event } of client.events()) {
        if (event.case === "messageCreated" && event.value.message) seen.push(textOf(event.value.message));
        await gate.promise;
      }
    })();
    await client.login({ bareId: "Jerry" });
    await settle();
    server.talk("one");
    server.talk("two");
    await clock.advance(1000);
    expect([seen, saved]).toEqual([["one"], ["0"]]);
    gate.resolve();
    await settle();
    expect([seen, saved.at(-1)]).toEqual([["one", "two"], "2"]);
    await client.logout();
    await reading;
  });

  it("does not hold the stream back once its loop is left", async () => {
    const { server, client, texts } = await loggedIn();
    const first = (async () => {
      for await (const { event } of client.events()) return event.case;
      return undefined;
    })();
    server.talk("one");
    expect(await first).toBe("messageCreated");
    server.talk("two");
    await settle();
    expect(texts).toEqual(["one", "two"]);
  });
});
