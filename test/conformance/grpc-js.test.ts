import { randomUUID } from "node:crypto";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, startTestServer, type TestServer } from "../support/index.js";
import { bearer, call, type GrpcFrame, loadGrpc, type Plain, type Stub, subscribeGrpc, textOf } from "./grpc.js";

describe("@grpc/grpc-js with the protos loaded at run time", () => {
  let server: TestServer;
  let grpc: Awaited<ReturnType<typeof loadGrpc>>;
  const stubs: Record<string, Stub> = {};
  beforeAll(async () => {
    [server, grpc] = await Promise.all([
      startTestServer({ times: { presenceGraceMs: 200, presenceTellMs: 0 } }),
      loadGrpc(),
    ]);
  });
  afterAll(async () => {
    for (const stub of Object.values(stubs)) stub.close();
    await server.close();
  });

  const at = (service: string): Stub => {
    const name = service.includes(".") ? service : `parley.v1.${service}`;
    const stub = stubs[name] ?? grpc.stub(server, name);
    stubs[name] = stub;
    return stub;
  };
  const login = async (name: string) => {
    const userId = `${name}-${randomUUID().slice(0, 8)}`;
    const request = { appId: server.appId, clientKey: server.clientKey, bareId: { userId } };
    const answer = await call<{ sessionToken: string; sessionId: string }>(at("AuthService"), "login", request);
    return { userId, ...answer, metadata: bearer(answer.sessionToken) };
  };
  const send = (from: Metadata, userId: string, text: string, more: Plain = {}) =>
    call(at("MessageService"), "sendMessage", { receiver: { userId }, content: { text: { text } }, ...more }, from);
  const refused = (promise: Promise<unknown>) =>
    promise.then(
      () => Promise.reject(new Error("the call was expected to fail")),
      (error: ServiceError) => grpc.failure(error),
    );

  test("two users log in, befriend, send, list and receive", async () => {
    const [tom, jerry] = [await login("Tom"), await login("Jerry")];
    const inbox = subscribeGrpc(at("MessageService"), {}, jerry.metadata);
    await eventually(() => expect(inbox.frames.map(({ frame }) => frame)).toEqual(["started", "caughtUp"]));
    expect(inbox.frames[0]?.started).toMatchObject({ sessionId: jerry.sessionId, resumed: true });

    const { friend } = await call(at("FriendService"), "addFriend", { userId: jerry.userId }, tom.metadata);
    expect(friend).toMatchObject({ userId: jerry.userId });
    const key = randomUUID();
    const first = await send(tom.metadata, jerry.userId, "hello", { clientMessageId: key });
    expect(first).toMatchObject({ deduplicated: false, message: { seq: 1, sender: { userId: tom.userId } } });
    const again = await send(tom.metadata, jerry.userId, "hello", { clientMessageId: key });
    expect(again).toEqual({ ...first, deduplicated: true });
    await send(tom.metadata, jerry.userId, "who is there? 🐭");

    const isMessage = (frame: GrpcFrame) => frame.event?.event === "messageCreated";
    const messages = await eventually(() => {
      const found = inbox.frames.filter(isMessage);
      expect(found.map(textOf)).toEqual(["hello", "who is there? 🐭"]);
      return found;
    });
    expect(messages[0]?.event?.messageCreated?.message).toEqual(first.message);
    expect(inbox.frames.map(({ event }) => event?.event)).toContain("friendChanged");

    const request = { peer: { userId: tom.userId } };
    const history = await call(at("HistoryService"), "listMessages", request, jerry.metadata);
    expect(history).toMatchObject({ headSeq: 2, messages: [{ seq: 1 }, { seq: 2 }] });

    // From the first message's cursor only the second comes again.
    const resumed = subscribeGrpc(
      at("MessageService"),
      { cursor: messages[0]?.event?.cursor },
      (await login("Jerry")).metadata,
    );
    await eventually(() => expect(resumed.frames.at(-1)?.frame).toBe("caughtUp"));
    expect(resumed.frames.filter(isMessage)).toEqual([]); // another Jerry sees nothing of it
    const own = subscribeGrpc(at("MessageService"), { cursor: messages[0]?.event?.cursor }, jerry.metadata);
    await eventually(() => expect(own.frames.at(-1)?.frame).toBe("caughtUp"));
    expect(own.frames.filter(isMessage)).toEqual([messages[1]]);
    await eventually(() =>
      expect(inbox.frames.at(-1)).toMatchObject({ frame: "goodbye", goodbye: { reconnect: false } }),
    );
    await eventually(() => expect(inbox.end).toEqual({ status: status.OK }));
    for (const { stream } of [resumed, own]) stream.cancel();
  });

  test("errors carry the code and, in grpc-status-details-bin, the detail", async () => {
    const tom = await login("Tom");
    expect(await refused(send(tom.metadata, `nobody-${randomUUID()}`, "hello"))).toMatchObject({
      code: status.NOT_FOUND,
      detail: { reason: "ERROR_REASON_NOT_FOUND", retryable: false },
    });
    expect(await refused(send(tom.metadata, tom.userId, ""))).toMatchObject({
      code: status.INVALID_ARGUMENT,
      detail: { reason: "ERROR_REASON_INVALID_FIELD", field: "content.text.text" },
    });
    expect(await refused(send(bearer("nonsense"), tom.userId, "hello"))).toMatchObject({
      code: status.UNAUTHENTICATED,
      detail: { reason: "ERROR_REASON_UNAUTHENTICATED" },
    });
    const stream = subscribeGrpc(at("MessageService"), {}, new Metadata());
    const error = await eventually(() => stream.end.error ?? Promise.reject(new Error("no error yet")));
    expect(grpc.failure(error)).toMatchObject({
      code: status.UNAUTHENTICATED,
      detail: { reason: "ERROR_REASON_UNAUTHENTICATED" },
    });
  });

  test("metadata of the request is used, that of the response is seen", async () => {
    const [tom, jerry] = [await login("Tom"), await login("Jerry")];
    const acting = bearer(server.serviceKey);
    acting.set("parley-acting-user", tom.userId);
    expect(await send(acting, jerry.userId, "by the backend")).toMatchObject({
      message: { sender: { userId: tom.userId } },
    });
    const traced = bearer(tom.sessionToken);
    traced.set("x-request-id", "conformance-1");
    expect((await refused(send(traced, `nobody-${randomUUID()}`, "hello"))).detail.metadata).toMatchObject({
      request_id: "conformance-1",
    });
    let contentType: unknown;
    await call(at("ServerService"), "getServerInfo", {}, new Metadata(), (headers) => {
      contentType = headers.get("content-type")[0];
    });
    expect(contentType).toMatch(/^application\/grpc/);
  });

  test("a cancelled stream ends at the client, and its user goes offline", async () => {
    const [tom, jerry] = [await login("Tom"), await login("Jerry")];
    await call(at("FriendService"), "addFriend", { userId: jerry.userId }, tom.metadata);
    const watch = subscribeGrpc(at("MessageService"), {}, jerry.metadata);
    await eventually(() => expect(watch.frames.at(-1)?.frame).toBe("caughtUp"));
    const { stream, frames, end } = subscribeGrpc(at("MessageService"), {}, tom.metadata);
    const sawTom = (online: boolean) =>
      eventually(() =>
        expect(watch.frames.at(-1)).toMatchObject({ event: { presenceChanged: { userId: tom.userId, online } } }),
      );
    await eventually(() => expect(frames.at(-1)).toBeDefined());
    await sawTom(true);
    stream.cancel();
    await eventually(() => expect(end.status).toBe(status.CANCELLED));
    await sawTom(false);
    watch.stream.cancel();
  });

  test("a deadline ends a long poll", async () => {
    const tom = await login("Tom");
    const { cursor } = await call<{ cursor: string }>(at("MessageService"), "listEvents", {}, tom.metadata);
    const long = at("MessageService").listEvents?.bind(at("MessageService")) as (
      request: Plain,
      metadata: Metadata,
      options: { deadline: number },
      callback: (error: ServiceError | null) => void,
    ) => unknown;
    const error = await new Promise<ServiceError | null>((resolve) => {
      long({ cursor, wait: { seconds: 25 } }, tom.metadata, { deadline: Date.now() + 300 }, resolve);
    });
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
  });

  test("grpc.health.v1 says that the server serves", async () => {
    const health = at("grpc.health.v1.Health");
    expect(await call(health, "check", {})).toEqual({ status: "SERVING" });
    expect(await call(health, "check", { service: "parley.v1.MessageService" })).toEqual({ status: "SERVING" });
    await expect(call(health, "check", { service: "none" })).rejects.toMatchObject({ code: status.NOT_FOUND });
  });
});
