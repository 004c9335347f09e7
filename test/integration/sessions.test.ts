import { Platform } from "@parley/proto/parley/v1/installation_pb.js";
import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { SessionRevokedReason } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import {
  anonymous,
  backend,
  newUser,
  operator,
  refusal,
  rpcOver,
  startTestServer,
  subscribe,
  type TestServer,
  type TestStream,
  type TestUser,
  transportTo,
  withToken,
} from "../support/index.js";
import { count, millis, must, newDevice, newPair, otherApp, say, subject, toUser } from "../support/messaging.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const HOUR = 3_600_000;
const revoked = { code: "Unauthenticated", reason: "SESSION_REVOKED" };
const noToken = { code: "Unauthenticated", reason: "UNAUTHENTICATED" };
const idsOf = async ({ rpc }: Pick<TestUser, "rpc">) =>
  (await rpc.auth.listSessions({ pageSize: 100 })).sessions.map((session) => session.sessionId);

async function endOf(stream: TestStream): Promise<string | undefined> {
  await stream.ended;
  expect((await stream.frame("goodbye")).reason).toBe(GoodbyeReason.SESSION_REVOKED);
  const last = stream.events().at(-1)?.event;
  return last?.case === "sessionRevoked" ? SessionRevokedReason[last.value.reason] : undefined;
}

async function enter(on: TestServer, userId: string, installationId = ""): Promise<TestUser> {
  const answer = await anonymous(on).auth.login({
    appId: on.appId,
    clientKey: on.clientKey,
    credential: { case: "bareId", value: { userId } },
    ...(installationId === "" ? {} : { installation: { installationId, platform: Platform.IOS } }),
  });
  const { sessionId, sessionToken: token } = answer;
  return { userId, sessionId, token, rpc: withToken(on, token) };
}

describe("sessions", () => {
  test("are listed newest first in pages, telling which is this one and which has a stream", async () => {
    const jerry = await newUser(server);
    const devices = [jerry];
    for (const _ of count(4)) devices.push(await newDevice(server, jerry));
    const phone = await enter(server, jerry.userId, subject("phone"));
    devices.push(phone);
    const stream = await subscribe(phone);
    const sessions = [];
    let pageToken = "";
    do {
      const page = await jerry.rpc.auth.listSessions({ pageSize: 2, pageToken });
      sessions.push(...page.sessions);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(sessions.map((session) => session.sessionId)).toEqual(devices.map((device) => device.sessionId).reverse());
    expect(sessions.map((session) => session.current)).toEqual([false, false, false, false, false, true]);
    expect(sessions.map((session) => session.online)).toEqual([true, false, false, false, false, false]);
    expect(sessions[0]).toMatchObject({ userId: jerry.userId, platform: Platform.IOS });
    expect(millis(sessions[0]?.expireTime) - millis(sessions[0]?.createTime)).toBe(30 * 24 * HOUR);
    await stream.close();
    // The backend sees them too, and none of them is its own.
    const acting = await backend(server).as(jerry.userId).auth.listSessions({});
    expect(acting.sessions.filter((session) => session.current)).toEqual([]);
    expect(acting.sessions).toHaveLength(6);
  });

  test("of one installation are one: whoever logs in there ends the one before", async () => {
    const installation = subject("tablet");
    const [tom, jerry] = await newPair(server);
    const first = await enter(server, tom.userId, installation);
    const stream = await subscribe(first);
    const second = await enter(server, jerry.userId, installation);
    expect(await endOf(stream)).toBe("REPLACED");
    expect(await refusal(first.rpc.auth.listSessions({}))).toMatchObject(revoked);
    expect(await idsOf(tom)).toEqual([tom.sessionId]);
    expect(await idsOf(second)).toContain(second.sessionId);
    await enter(server, jerry.userId, subject("other"));
    expect(await idsOf(second)).toContain(second.sessionId);
  });

  test("beyond the limit end the oldest", async () => {
    const own = await startTestServer({ limits: { sessionsPerUser: 3 } });
    const jerry = await newUser(own);
    const stream = await subscribe(jerry);
    const devices = [];
    for (const _ of count(2)) devices.push(await newDevice(own, jerry));
    expect(await idsOf(jerry)).toHaveLength(3);
    devices.push(await newDevice(own, jerry));
    expect(await endOf(stream)).toBe("REVOKED");
    expect(await idsOf(must(devices[2]))).toEqual(devices.map((device) => device.sessionId).reverse());
    expect(await refusal(jerry.rpc.auth.listSessions({}))).toMatchObject(revoked);
    await own.close();
  });

  test("end after their time without use, and every use moves that", async () => {
    const clock = fakeClock();
    const own = await startTestServer({ clock, times: { sessionMs: 6 * HOUR } });
    const [tom, jerry] = await newPair(own);
    clock.advance(5 * HOUR);
    await tom.rpc.auth.listSessions({});
    clock.advance(HOUR);
    expect(await refusal(jerry.rpc.auth.listSessions({}))).toMatchObject(revoked);
    clock.advance(4 * HOUR);
    expect(await idsOf(tom)).toHaveLength(1);
    clock.advance(6 * HOUR);
    expect(await refusal(tom.rpc.auth.listSessions({}))).toMatchObject(revoked);
    await own.close();
  });

  test("outlive a restart of the server, and a revoked one stays so", async () => {
    let own = await startTestServer();
    const jerry = await newUser(own);
    const phone = await newDevice(own, jerry);
    await phone.rpc.auth.logout({});
    own = await own.restart();
    expect(await idsOf({ rpc: withToken(own, jerry.token) })).toEqual([jerry.sessionId]);
    expect(await refusal(withToken(own, phone.token).auth.listSessions({}))).toMatchObject(revoked);
    await own.close();
  });
});

describe("a token", () => {
  test("that is not good is refused, even where none is needed", async () => {
    const over = (authorization: string) => rpcOver(transportTo(server.url, { authorization }));
    const bad = [
      "",
      "Bearer",
      "Bearer x",
      "Basic dG9tOng=",
      `Bearer ${server.clientKey}`,
      `Bearer ps_${"x".repeat(43)}`,
    ];
    for (const authorization of bad) {
      expect(await refusal(over(authorization).auth.listSessions({}))).toMatchObject(noToken);
      if (authorization !== "")
        expect(await refusal(over(authorization).server.getServerInfo({}))).toMatchObject(noToken);
    }
    const { token } = await newUser(server);
    expect((await over(`bearer ${token}`).auth.listSessions({})).sessions).toHaveLength(1);
    expect(await refusal(over(`Bearer ${token.slice(0, -1)}`).auth.listSessions({}))).toMatchObject({
      code: "Unauthenticated",
    });
    expect((await anonymous(server).server.getServerInfo({})).version).not.toBe("");
  });

  test("in the address is none", async () => {
    const { token } = await newUser(server);
    const url = `${server.url}/parley.v1.AuthService/ListSessions?connect=v1&encoding=json&message=%7B%7D`;
    const answer = await fetch(`${url}&access_token=${token}&authorization=Bearer%20${token}`);
    expect(answer.status).toBe(401);
  });

  test("of the wrong kind opens nothing", async () => {
    const tom = await newUser(server);
    const service = backend(server);
    const calls = [
      () => service.auth.listSessions({}),
      () =>
        service.message.sendMessage({
          receiver: toUser(tom.userId),
          content: { content: { case: "text", value: { text: "x" } } },
        }),
      () => service.as(tom.userId).message.pauseSession({}),
      () => service.as(tom.userId).message.ackEvents({}),
      () => service.as(tom.userId).auth.logout({}),
      () => service.as(tom.userId).admin.getSettings({}),
      () => tom.rpc.admin.getSettings({}),
      () => tom.rpc.operator.listApps({}),
      () => service.operator.listApps({}),
      () => withToken(server, server.operatorToken).admin.getSettings({}),
      () => withToken(server, server.operatorToken).auth.listSessions({}),
    ];
    for (const call of calls) expect(await refusal(call())).toMatchObject(noToken);
  });
});

describe("a service key", () => {
  const withHeaders = (headers: object) =>
    rpcOver(transportTo(server.url, { authorization: `Bearer ${server.serviceKey}`, ...headers }));

  test("acts for the users of its app, as they would", async () => {
    const [tom, jerry] = await newPair(server);
    const acting = { rpc: backend(server).as(tom.userId) };
    expect(await say(acting, toUser(jerry.userId), "hi")).toMatchObject({ sender: { sender: { value: tom.userId } } });
    expect(await refusal(backend(server).as("nobody").auth.listSessions({}))).toMatchObject({
      code: "NotFound",
      reason: "NOT_FOUND",
      field: "parley-acting-user",
    });
    const headers = { authorization: `Bearer ${tom.token}`, "parley-acting-user": jerry.userId };
    expect(await refusal(rpcOver(transportTo(server.url, headers)).auth.listSessions({}))).toMatchObject(noToken);
  });

  test("is not for browsers", async () => {
    const headers = { origin: "https://example.org" };
    expect(await refusal(withHeaders(headers).admin.getSettings({}))).toMatchObject(noToken);
    const url = `${server.url}/parley.v1.AdminService/GetSettings`;
    const authorization = `Bearer ${server.serviceKey}`;
    const ask = (more: Record<string, string>) =>
      fetch(url, {
        method: "POST",
        body: "{}",
        headers: { "content-type": "application/json", authorization, ...more },
      });
    expect((await ask({})).status).toBe(200);
    expect((await ask(headers)).status).toBe(401);
  });

  test("that is revoked opens nothing from then on; the record stays in the list", async () => {
    const { record, serviceKey } = await backend(server).admin.createServiceKey({ name: "second" });
    const second = withToken(server, serviceKey);
    expect((await second.admin.getSettings({})).settings?.allowBareIdLogin).toBe(true);
    const serviceKeyId = must(record).serviceKeyId;
    for (const _ of count(2)) await backend(server).admin.revokeServiceKey({ serviceKeyId });
    expect(await refusal(second.admin.getSettings({}))).toMatchObject(noToken);
    const { serviceKeys } = await backend(server).admin.listServiceKeys({});
    expect(serviceKeys.find((key) => key.serviceKeyId === serviceKeyId)?.revokeTime).toBeDefined();
    expect(JSON.stringify(serviceKeys.map(({ name, serviceKeyId: id }) => [name, id]))).not.toContain(serviceKey);
  });
});

describe("the operator", () => {
  test("makes, lists, changes apps and their service keys", async () => {
    const made = await operator(server).createApp({ name: "shop", settings: { allowGuestLogin: false } });
    const app = must(made.app);
    expect(app).toMatchObject({ name: "shop", clientKey: made.clientKey });
    expect(app.settings).toMatchObject({ allowBareIdLogin: false, allowGuestLogin: false, maxGroupMembers: 500 });
    const updated = await operator(server).updateApp({ appId: app.appId, settings: { maxGroupMembers: 2 } });
    expect(updated.app?.settings).toMatchObject({ allowGuestLogin: false, maxGroupMembers: 2 });
    expect((await operator(server).getApp({ appId: app.appId })).app).toEqual(updated.app);
    const ids = [];
    let pageToken = "";
    do {
      const page = await operator(server).listApps({ pageSize: 1, pageToken });
      ids.push(...page.apps.map((each) => each.appId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(ids).toEqual([...ids].sort());
    expect(ids).toContain(app.appId);
    const { record, serviceKey } = await operator(server).createAppServiceKey({ appId: app.appId, name: "k" });
    expect((await withToken(server, serviceKey).admin.getSettings({})).settings?.maxGroupMembers).toBe(2);
    const { serviceKeyId } = must(record);
    await operator(server).revokeAppServiceKey({ appId: app.appId, serviceKeyId });
    expect(await refusal(withToken(server, serviceKey).admin.getSettings({}))).toMatchObject(noToken);
    const unknown = { appId: "none" };
    for (const call of [
      () => operator(server).getApp(unknown),
      () => operator(server).updateApp({ ...unknown, name: "x" }),
      () => operator(server).rotateClientKey(unknown),
      () => operator(server).createAppServiceKey({ ...unknown, name: "x" }),
      () => operator(server).revokeAppServiceKey({ ...unknown, serviceKeyId }),
    ])
      expect((await refusal(call())).reason).toBe("NOT_FOUND");
  });

  test("rotates the client key: new logins need the new one, sessions go on", async () => {
    const app = await otherApp(server);
    const tom = await newUser(app);
    const { clientKey } = await operator(server).rotateClientKey({ appId: app.appId });
    expect(await refusal(enter(app, "jerry"))).toMatchObject({ reason: "WRONG_CREDENTIAL" });
    expect((await enter({ ...app, clientKey }, "jerry")).userId).toBe("jerry");
    expect(await idsOf(tom)).toEqual([tom.sessionId]);
    expect((await operator(server).getApp({ appId: app.appId })).app?.clientKey).toBe(clientKey);
  });

  test("'s changes hold at once, and the app's backend can make them too", async () => {
    const app = await otherApp(server);
    expect((await enter(app, "tom")).userId).toBe("tom");
    await backend(app).admin.updateSettings({ settings: { allowBareIdLogin: false } });
    expect((await refusal(enter(app, "tom"))).reason).toBe("LOGIN_DISABLED");
    await operator(server).updateApp({ appId: app.appId, settings: { allowBareIdLogin: true } });
    expect((await enter(app, "tom")).userId).toBe("tom");
  });
});
