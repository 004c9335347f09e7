import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { backend, newUser, startTestServer, type TestServer } from "../support/index.js";
import { hs256, jwt } from "../support/jwt.js";
import { count, must, newDevice, newGroup, newPair } from "../support/messaging.js";
import { fakeOidc } from "../support/oauth-fakes.js";
import { figure } from "../support/proofs/figure.js";
import { openRows, type Rows, rowsDiff } from "../support/rows.js";
import { newPhoneNumber, printedCode, requestCode } from "../support/sms.js";
import { tempFolder } from "../support/temp-store.js";
import { type Answer, bearer, type Credentials, call, METHODS } from "./call.js";

const folder = tempFolder();
const clock = fakeClock(Date.now());
let server: TestServer;
let rows: Rows;
beforeAll(async () => {
  server = await startTestServer({ clock, settings: { dataDir: folder.path, privateFetch: ["127.0.0.1"] } });
  rows = openRows(server.dataDir);
});
afterAll(async () => {
  rows.close();
  await server.close();
  folder[Symbol.dispose]();
});

const make = (name: string, request: object, who: Credentials): Promise<Answer> =>
  call(server.url, must(METHODS.get(name)), JSON.stringify(request), who);

/** Makes a call twenty times more, in turn and at once, and wants nothing new to be stored. */
async function replay(name: string, request: object, who: Credentials): Promise<Answer[]> {
  const before = rows.all();
  const answers = [];
  for (const _ of count(10)) answers.push(await make(name, request, who));
  answers.push(...(await Promise.all(count(10).map(() => make(name, request, who)))));
  expect(rowsDiff(before, rows.all()), `${name} did something again`).toEqual([]);
  return answers;
}

const same = (answer: Answer) =>
  answer.ok ? JSON.stringify({ ...answer.body, deduplicated: undefined }) : answer.reason;

describe("A8: a captured call that is made again", () => {
  test("stores no second message, makes no second group or room", async (context) => {
    const [tom, jerry] = await newPair(server);
    const groupId = await newGroup(tom, [jerry]);
    const text = { text: "hello" };
    const calls: [string, object][] = [
      ["MessageService/SendMessage", { receiver: { userId: jerry.userId }, content: { text }, clientMessageId: "a" }],
      ["MessageService/SendMessage", { receiver: { groupId }, content: { text }, clientMessageId: "b" }],
      ["GroupService/CreateGroup", { name: "g", memberUserIds: [jerry.userId], requestId: "c" }],
      ["RoomService/CreateRoom", { name: "r", memberUserIds: [jerry.userId], requestId: "d" }],
      ["FriendService/AddFriend", { userId: jerry.userId }],
      ["ConversationService/MarkRead", { peer: { userId: jerry.userId } }],
      ["GroupService/UpdateGroup", { groupId, name: "new" }],
      ["UserService/UpdateUser", { displayName: "Tom" }],
    ];
    let replays = 0;
    for (const [name, request] of calls) {
      const first = await make(name, request, bearer(tom.token));
      expect(first.ok, name).toBe(true);
      for (const answer of await replay(name, request, bearer(tom.token))) {
        expect(same(answer), name).toBe(same(first));
        replays += 1;
      }
    }
    // Another device of the user gets the same answer, another user does the same of its own.
    const [name, request] = must(calls[0]);
    expect(await make(name, request, bearer((await newDevice(server, tom)).token))).toMatchObject({
      ok: true,
      body: { deduplicated: true },
    });
    expect((await make(name, request, bearer(jerry.token))).ok).toBe(true);
    // Whoever has lost the right to send is told what became of the send that was in time, and nothing else is sent.
    await tom.rpc.group.removeGroupMembers({ groupId, userIds: [jerry.userId] });
    const late = { receiver: { groupId }, content: { text }, clientMessageId: "late" };
    expect(await make("MessageService/SendMessage", late, bearer(jerry.token))).toMatchObject({ reason: "NOT_MEMBER" });
    figure(context, `${replays} replays of ${calls.length} calls: 0 did anything again`);
  });

  test("with another content under the same key is a conflict", async () => {
    const [tom, jerry] = await newPair(server);
    const send = (text: string) => ({
      receiver: { userId: jerry.userId },
      content: { text: { text } },
      clientMessageId: "k",
    });
    await make("MessageService/SendMessage", send("one"), bearer(tom.token));
    expect(await make("MessageService/SendMessage", send("two"), bearer(tom.token))).toMatchObject({
      reason: "IDEMPOTENCY_CONFLICT",
    });
    await make("GroupService/CreateGroup", { name: "one", requestId: "k" }, bearer(tom.token));
    expect(await make("GroupService/CreateGroup", { name: "two", requestId: "k" }, bearer(tom.token))).toMatchObject({
      reason: "IDEMPOTENCY_CONFLICT",
    });
  });

  test("as an old acknowledgement takes nothing back", async () => {
    const tom = await newUser(server);
    const old = (await tom.rpc.message.listEvents({})).cursor;
    for (const at of count(3)) await tom.rpc.group.createGroup({ name: `${at}` });
    const now = (await tom.rpc.message.listEvents({ cursor: old })).cursor;
    const row = (table: string, of: string) =>
      JSON.parse(
        must(
          rows
            .all()
            .get(table)
            ?.find((text) => text.includes(of)),
        ),
      ) as unknown[];
    const acked = () => row("session", tom.sessionId).at(-1);
    const head = row("app_log", server.appId)[1];
    await tom.rpc.message.ackEvents({ cursor: now });
    clock.advance(10_000);
    await expect.poll(acked).toBe(head);
    for (const cursor of [old, old, now]) await tom.rpc.message.ackEvents({ cursor });
    clock.advance(10_000);
    await make("UserService/UpdateUser", { displayName: "x" }, bearer(tom.token));
    expect(acked()).toBe(head);
  });

  test("as a signed token with an id opens one session, at once or in turn; without one, none after its end", async () => {
    const secret = "0123456789abcdef0123456789abcdef";
    await backend(server).admin.setTokenKeys({ keys: [{ key: { case: "hs256Secret", value: secret } }] });
    const iat = Math.floor(clock.now() / 1000);
    const claims = { sub: "signed", aud: server.appId, iat, exp: iat + 60 };
    const login = (token: string) =>
      make("AuthService/Login", { appId: server.appId, clientKey: server.clientKey, signedToken: { token } }, {});
    const once = jwt({ alg: "HS256" }, { ...claims, jti: "once" }, hs256(secret));
    const answers = await Promise.all(count(5).map(() => login(once)));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    for (const answer of answers) if (!answer.ok) expect(answer.reason).toBe("WRONG_CREDENTIAL");
    // The same id in a token that says something else is used up all the same.
    expect(await login(jwt({ alg: "HS256" }, { ...claims, exp: iat + 50, jti: "once" }, hs256(secret)))).toMatchObject({
      ok: false,
    });
    const again = jwt({ alg: "HS256" }, claims, hs256(secret));
    const [first, second] = [await login(again), await login(again)];
    expect([first.ok, second.ok]).toEqual([true, true]);
    if (first.ok && second.ok) expect(first.body.sessionToken).not.toBe(second.body.sessionToken);
    clock.advance(61_000);
    for (const token of [once, again]) expect(await login(token)).toMatchObject({ reason: "WRONG_CREDENTIAL" });
  });

  test("as a code, or an id token with a nonce, opens one session", async () => {
    const phoneNumber = newPhoneNumber();
    await requestCode(server, phoneNumber);
    const { appId, clientKey } = server;
    const oidc = await fakeOidc(() => Math.floor(clock.now() / 1000));
    const kind = {
      case: "oidc" as const,
      value: { issuer: oidc.issuer, audiences: ["our-client"], requireNonce: true },
    };
    await backend(server).admin.setOauthProviders({ providers: [{ name: "o", kind }] });
    const nonce = "once";
    const logins = [
      { sms: { phoneNumber, code: printedCode(server, phoneNumber) } },
      { oauth: { provider: "o", idToken: oidc.token("tom", { nonce }), extra: { nonce } } },
    ];
    for (const credential of logins) {
      const request = { appId, clientKey, ...credential };
      expect(await make("AuthService/Login", request, {})).toMatchObject({ ok: true });
      for (const answer of (await replay("AuthService/Login", request, {})).slice(0, 9))
        expect(answer).toMatchObject({ reason: "WRONG_CREDENTIAL" });
      clock.advance(300_000);
    }
    oidc.close();
  });

  test("as a logout ends nothing else", async () => {
    const tom = await newUser(server);
    const phone = await newDevice(server, tom);
    expect((await make("AuthService/Logout", {}, bearer(tom.token))).ok).toBe(true);
    for (const answer of await replay("AuthService/Logout", {}, bearer(tom.token)))
      expect(answer).toMatchObject({ reason: "SESSION_REVOKED" });
    expect((await phone.rpc.auth.listSessions({})).sessions).toHaveLength(1);
  });
});
