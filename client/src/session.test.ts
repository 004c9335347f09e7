import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { SessionRevokedReason } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { toLoginCredential } from "./credential.js";
import { memoryStore } from "./key-value-store.js";
import { deferred } from "./outgoing-message.js";
import { user } from "./peer.js";
import { settle } from "./testing/fake-clock.js";
import { createFakeServer, refusal } from "./testing/fake-server.js";
import { setUp, textOf } from "./testing/set-up.js";

const unreachable = () => new ConnectError("no route", Code.Unavailable);

describe("login", () => {
  it("opens a session with app, key, credential and installation", async () => {
    const { server, client } = setUp({ installation: { installationId: "phone" } });
    const currentUser = await client.login({ bareId: "Jerry" });
    expect(currentUser).toEqual({ userId: "Jerry", created: true, friends: [], groups: [], rooms: [] });
    expect(client.currentUser).toBe(currentUser);
    expect(server.logins[0]).toMatchObject({
      appId: "app",
      clientKey: "key",
      credential: { case: "bareId", value: { userId: "Jerry" } },
      installation: { installationId: "phone", platform: 5 },
    });
  });

  it("knows every kind of credential", () => {
    const cases = [
      toLoginCredential({ username: "tom", password: "pwd" }),
      toLoginCredential({ phoneNumber: "+8613800138000", code: "123456" }),
      toLoginCredential({ oauth: { provider: "wechat", accessToken: "a" } }),
      toLoginCredential({ guest: {} }),
      toLoginCredential({ token: "jwt" }),
    ];
    expect(cases.map((credential) => credential.case)).toEqual(["password", "sms", "oauth", "guest", "signedToken"]);
  });

  it("takes over a session that the backend made", async () => {
    const { server, client } = setUp();
    server.tokens.set("minted", "Jerry");
    const currentUser = await client.login({ sessionToken: "minted" });
    expect(currentUser).toMatchObject({ userId: "Jerry", created: false });
    expect(server.calls).not.toContain("login");
  });

  it("says why it failed, and can be tried again", async () => {
    const { server, client } = setUp();
    server.fault = () => refusal(ErrorReason.WRONG_CREDENTIAL, Code.Unauthenticated);
    await expect(client.login({ bareId: "Jerry" })).rejects.toMatchObject({
      reason: "WRONG_CREDENTIAL",
      retryable: false,
    });
    expect(client.state.name).toBe("stopped");
    server.fault = unreachable;
    await expect(client.login({ bareId: "Jerry" })).rejects.toMatchObject({ reason: "UNREACHABLE", retryable: true });
    server.fault = () => undefined;
    await expect(client.login({ bareId: "Jerry" })).resolves.toBeDefined();
  });

  it("waits until the session before it has left the store, however slow that is", async () => {
    const values = memoryStore();
    let slow = Promise.resolve();
    const store = { ...values, remove: (key: string) => slow.then(() => values.remove(key)) };
    const { server, client } = setUp({ store });
    await client.login({ bareId: "Jerry" });
    const writing = deferred<void>();
    slow = writing.promise;
    const out = client.logout();
    const restored = client.restore();
    await settle();
    expect(server.subscriptions).toHaveLength(1);
    writing.resolve();
    await out;
    expect(await restored).toBeUndefined();
    const again = client.login({ bareId: "Jerry" });
    await again;
    await client.close();
    expect(await setUp({ store }, server).client.restore()).toMatchObject({ userId: "Jerry" });
  });

  it("is given up by a logout that comes while it is under way", async () => {
    const reading = deferred<void>();
    const cursorStore = { load: () => reading.promise.then(() => ""), save: () => {}, clear: () => {} };
    const { server, client } = setUp({ cursorStore });
    const login = client.login({ bareId: "Jerry" });
    login.catch(() => {});
    await settle();
    const out = client.logout();
    reading.resolve();
    await expect(login).rejects.toMatchObject({ reason: "LOGGED_OUT" });
    await out;
    expect(client.currentUser).toBeUndefined();
    expect(server.subscriptions).toEqual([]);
  });

  it("is refused while a user is logged in or logging in", async () => {
    const { client } = setUp();
    const first = client.login({ bareId: "Jerry" });
    await expect(client.login({ bareId: "Tom" })).rejects.toMatchObject({ reason: "LOGGED_IN" });
    await first;
    await expect(client.login({ bareId: "Tom" })).rejects.toMatchObject({ reason: "LOGGED_IN" });
    await client.close();
    await expect(client.login({ bareId: "Tom" })).rejects.toMatchObject({ reason: "CLOSED" });
  });

  it("resolves when the first attempt failed, and the client goes on trying", async () => {
    const { server, clock, client } = setUp();
    server.subscribeFault = unreachable;
    await client.login({ bareId: "Jerry" });
    expect(client.state.name).toBe("waiting");
    server.subscribeFault = () => undefined;
    await clock.advance(1000);
    expect(client.state.name).toBe("live");
  });

  it("fails a send of nobody", async () => {
    const { client } = setUp();
    const message = client.messages.send(user("Tom"), { text: "Hi!" });
    expect(message.error?.reason).toBe("NOT_LOGGED_IN");
    expect(client.messages.pending()).toEqual([]);
  });
});

describe("a store that fails", () => {
  it("fails the login, which can then be tried again", async () => {
    let broken = true;
    const { client } = setUp({
      cursorStore: {
        load: () => (broken ? Promise.reject(new Error("disk")) : ""),
        save: () => {},
        clear: () => {},
      },
    });
    await expect(client.login({ bareId: "Jerry" })).rejects.toThrow("disk");
    broken = false;
    await expect(client.login({ bareId: "Jerry" })).resolves.toMatchObject({ userId: "Jerry" });
  });
});

describe("restore", () => {
  it("takes up session, cursor and pending sends where the last run left them", async () => {
    const server = createFakeServer();
    const store = memoryStore();
    const before = setUp({ store }, server);
    await before.client.login({ bareId: "Jerry" });
    server.talk("one");
    await settle();
    server.fault = (call) => (call === "sendMessages" ? unreachable() : undefined);
    before.client.messages.send(user("Tom"), { text: "later" });
    await settle();
    await before.client.close();
    server.talk("two");
    server.fault = () => undefined;

    const after = setUp({ store }, server);
    expect(await after.client.restore()).toMatchObject({ userId: "Jerry", created: false });
    await settle();
    expect(after.texts).toEqual(["two"]);
    expect(server.messages).toHaveLength(1);
    expect(server.logins).toHaveLength(1);
  });

  it("gives nothing without a saved session, or with one that is no good any more", async () => {
    const server = createFakeServer();
    const store = memoryStore();
    const first = setUp({ store }, server);
    expect(await first.client.restore()).toBeUndefined();
    await first.client.login({ bareId: "Jerry" });
    await first.client.close();
    server.tokens.clear();
    const second = setUp({ store }, server);
    expect(await second.client.restore()).toBeUndefined();
    expect(second.client.state).toMatchObject({ name: "closed", reason: "session_rejected" });
    expect(await setUp({ store }, server).client.restore()).toBeUndefined();
  });
});

describe("logout", () => {
  it("ends everything here and at the server", async () => {
    const { server, client, texts } = setUp();
    const store = memoryStore();
    const made = setUp({ store }, server);
    await made.client.login({ bareId: "Jerry" });
    await settle();
    await made.client.logout();
    expect(server.tokens.size).toBe(0);
    expect(made.client.state.name).toBe("stopped");
    expect(made.client.currentUser).toBeUndefined();
    expect(await store.keys("")).toEqual([]);
    server.talk("late");
    await settle();
    expect(texts).toEqual([]);
    await client.logout();
  });

  it("A1: keeps the token until the server has heard it, in this run", async () => {
    const store = memoryStore();
    const { server, clock, client } = setUp({ store });
    await client.login({ bareId: "Jerry" });
    server.fault = (call) => (call === "logout" ? unreachable() : undefined);
    await expect(client.logout()).rejects.toMatchObject({ reason: "UNREACHABLE" });
    expect(client.state.name).toBe("stopped");
    expect(server.tokens.size).toBe(1);
    await clock.advance(60_000);
    server.fault = () => undefined;
    await clock.advance(30_000);
    expect(server.tokens.size).toBe(0);
    expect(await store.keys("")).toEqual([]);
    expect(clock.waits()).toEqual([]);
  });

  it("A1: keeps the token until the server has heard it, also across a restart", async () => {
    const store = memoryStore();
    const server = createFakeServer();
    const before = setUp({ store }, server);
    await before.client.login({ bareId: "Jerry" });
    server.fault = (call) => (call === "logout" ? unreachable() : undefined);
    await expect(before.client.logout()).rejects.toBeDefined();
    await before.client.close();
    expect(before.clock.waits()).toEqual([]);
    server.fault = () => undefined;
    const after = setUp({ store }, server);
    await settle();
    expect(server.tokens.size).toBe(0);
    expect(await store.keys("")).toEqual([]);
    expect(await after.client.restore()).toBeUndefined();
  });

  it("A1: takes a session that is gone for heard", async () => {
    const { server, client } = setUp();
    await client.login({ bareId: "Jerry" });
    server.tokens.clear();
    await expect(client.logout()).resolves.toBeUndefined();
  });

  it("fails what was not sent", async () => {
    const { server, client } = setUp();
    await client.login({ bareId: "Jerry" });
    server.fault = (call) => (call === "sendMessages" ? unreachable() : undefined);
    const message = client.messages.send(user("Tom"), { text: "Hi!" });
    await settle();
    await client.logout();
    await expect(message.stored).rejects.toMatchObject({ reason: "LOGGED_OUT" });
  });

  it("A2: shares nothing between two users of one store", async () => {
    const store = memoryStore();
    const server = createFakeServer();
    const tom = setUp({ store }, server);
    const jerry = setUp({ store }, server);
    await tom.client.login({ bareId: "Tom" });
    server.fault = (call) => (call === "sendMessages" ? unreachable() : undefined);
    tom.client.messages.send(user("Jerry"), { text: "Tom's" });
    await settle();
    server.talk("one", "Spike");
    await settle();
    await jerry.client.login({ bareId: "Jerry" });
    await settle();
    expect(jerry.client.messages.pending()).toEqual([]);
    expect(server.subscriptions).toEqual(["", ""]);
    await jerry.client.logout();
    const keys = await store.keys("");
    expect(keys.filter((key) => key.includes("/user/Tom/"))).toHaveLength(3);
    expect(keys.filter((key) => key.includes("Jerry"))).toEqual([]);
    expect(await setUp({ store }, server).client.restore("Tom")).toMatchObject({ userId: "Tom" });
  });

  it("A2: does not send one user's messages as another after a rejected session", async () => {
    const { server, clock, client } = setUp();
    await client.login({ bareId: "Tom" });
    server.fault = (call) => (call === "sendMessages" ? unreachable() : undefined);
    const message = client.messages.send(user("Jerry"), { text: "Tom's" });
    await settle();
    server.tokens.clear();
    await clock.advance(30_000);
    server.fault = () => undefined;
    await client.login({ bareId: "Spike" });
    await clock.advance(60_000);
    expect(message.status).toBe("failed");
    expect(server.messages).toEqual([]);
  });

  it("A2: lets the application finish the event of a user whose session was rejected before the next one enters", async () => {
    const { server, client } = setUp();
    const busy = deferred<void>();
    const seen: string[] = [];
    client.on("friendMessage", () => busy.promise);
    client.on("event", ({ cursor }) => void seen.push(`${cursor} for ${client.currentUser?.userId}`));
    await client.login({ bareId: "Tom" });
    await settle();
    server.talk("one", "Jerry");
    await settle();
    server.tokens.clear();
    client.messages.send(user("Jerry"), { text: "meets the refusal" });
    await settle();
    const entered = client.login({ bareId: "Spike" });
    await settle();
    busy.resolve();
    expect(await entered).toMatchObject({ userId: "Spike" });
    expect(seen).toEqual(["1 for Tom"]);
  });

  it("A2: names no user any more once what is sent is the next one's", async () => {
    const values = memoryStore();
    const read = deferred<void>();
    const keys = (prefix: string) =>
      prefix.includes("/user/Spike/outbox") ? read.promise.then(() => values.keys(prefix)) : values.keys(prefix);
    const { server, clock, client } = setUp({ store: { ...values, keys } });
    await client.login({ bareId: "Tom" });
    server.tokens.clear();
    await clock.advance(30_000);
    expect(client.currentUser?.userId).toBe("Tom");
    const entered = client.login({ bareId: "Spike" });
    await settle();
    expect(client.currentUser).toBeUndefined();
    const message = client.messages.send(user("Jerry"), { text: "Spike's" });
    read.resolve();
    expect(await entered).toMatchObject({ userId: "Spike" });
    await message.stored;
    expect(server.messages.map(textOf)).toEqual(["Spike's"]);
  });
});

describe("a session that ends elsewhere", () => {
  it("is told, closes the client and keeps its sends for the same user", async () => {
    const { server, clock, client } = setUp();
    const told: string[] = [];
    client.on("sessionRevoked", ({ reason }) => void told.push(SessionRevokedReason[reason]));
    await client.login({ bareId: "Jerry" });
    await settle();
    server.append(
      {
        case: "sessionRevoked",
        value: {
          $typeName: "parley.v1.SessionRevoked",
          reason: SessionRevokedReason.REVOKED,
          sessionId: "",
        },
      },
      true,
    );
    server.tokens.clear();
    server.cut();
    await clock.advance(1000);
    expect(told).toEqual(["REVOKED"]);
    expect(client.state).toMatchObject({ name: "closed", reason: "session_rejected" });
    const message = client.messages.send(user("Tom"), { text: "Hi!" });
    await client.login({ bareId: "Jerry" });
    await clock.advance(1000);
    expect(message.status).toBe("sent");
  });
});

describe("what is printed", () => {
  afterEach(() => vi.restoreAllMocks());

  it("A3: holds neither token nor text", async () => {
    const printed: unknown[] = [];
    for (const method of ["log", "info", "warn", "error", "debug"] as const) {
      vi.spyOn(console, method).mockImplementation((...args) => void printed.push(...args));
    }
    const server = createFakeServer();
    const { client } = setUp({}, server);
    const quiet = setUp({}, server).client;
    quiet.on("friendMessage", (message) => {
      throw new Error(`cannot show ${JSON.stringify(message.content)}`);
    });
    await quiet.login({ bareId: "Jerry" });
    server.talk("secret text");
    await settle();
    await client.close();
    const all = JSON.stringify(printed);
    expect(all).not.toContain("secret text");
    expect(all).not.toContain("token-1");
  });
});
