import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient as createSdkClient } from "@parley/client";
import type { LinkCredentialRequestSchema } from "@parley/proto/parley/v1/auth_service_pb.js";
import { CredentialKind } from "@parley/proto/parley/v1/linked_credential_pb.js";
import { SessionRevokedReason } from "@parley/proto/parley/v1/stream_event_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import {
  anonymous,
  backend,
  newUser,
  openStream,
  type Rpc,
  refusal,
  startTestServer,
  type TestServer,
  type TestUser,
} from "../support/index.js";
import { count, newDevice, newGuest, say, subject, toUser } from "../support/messaging.js";
import { type FakeProvider, fakeWeibo } from "../support/oauth-fakes.js";
import { loginBySms, newPhoneNumber, printedCode, requestCode, wrongCode } from "../support/sms.js";
import { tempFolder } from "../support/temp-store.js";
import { refused, watch } from "./watching.js";

const folder = tempFolder();
const clock = fakeClock(Date.now());
let server: TestServer;
let weibo: FakeProvider;
beforeAll(async () => {
  weibo = await fakeWeibo();
  server = await startTestServer({ clock, settings: { privateFetch: ["127.0.0.1"], dataDir: folder.path } });
  const kind = { case: "weibo" as const, value: { clientId: "1" } };
  await backend(server).admin.setOauthProviders({ providers: [{ name: "weibo", kind, baseUrl: weibo.url }] });
});
afterAll(async () => {
  await server.close();
  weibo.close();
  folder[Symbol.dispose]();
});

type Linkable = NonNullable<MessageInitShape<typeof LinkCredentialRequestSchema>["credential"]>;
const password = (username: string, secret = "secret"): Linkable => ({
  case: "password",
  value: { username, password: secret },
});
async function phone(phoneNumber: string): Promise<Linkable> {
  clock.advance(60_000);
  await requestCode(server, phoneNumber);
  return { case: "sms", value: { phoneNumber, code: printedCode(server, phoneNumber) } };
}
const account = (uid: string): Linkable => {
  const accessToken = subject("token");
  weibo.grants.set(accessToken, { id: uid, client: "1" });
  return { case: "oauth", value: { provider: "weibo", accessToken } };
};
const newUid = () => String(Math.floor(Math.random() * 1e10));

const link = ({ rpc }: Pick<TestUser, "rpc">, credential: Linkable) => rpc.auth.linkCredential({ credential });
const enter = (credential: Linkable) => {
  const { appId, clientKey } = server;
  return anonymous(server).auth.login({ appId, clientKey, credential });
};
const listed = async ({ rpc }: { rpc: Rpc }) =>
  (await rpc.auth.listCredentials({})).credentials.map(({ kind, provider, maskedName }) => [
    CredentialKind[kind],
    provider,
    maskedName,
  ]);
const taken = (field: string) => ({ code: "AlreadyExists", reason: "ALREADY_EXISTS", field });

describe("a further credential", () => {
  test("of each kind opens the same user, and is listed with its middle left out", async () => {
    const tom = await newUser(server, "tom");
    const [name, number] = [subject("username"), newPhoneNumber()];
    expect(await listed(tom)).toEqual([]);
    const { credential } = await link(tom, password(name));
    expect(credential).toMatchObject({ kind: CredentialKind.PASSWORD, provider: "" });
    await link(tom, await phone(number));
    await link(tom, account("1073880650"));
    expect(await listed(tom)).toEqual([
      ["PASSWORD", "", `${name.at(0)}****${name.at(-1)}`],
      ["SMS", "", `${number.slice(0, 4)}****${number.slice(-2)}`],
      ["OAUTH", "weibo", "10****50"],
    ]);
    for (const one of [password(name), await phone(number), account("1073880650")])
      expect(await enter(one)).toMatchObject({ userId: tom.userId, created: false });
    // Who is bound to a credential is nobody's by a bare id.
    const { appId, clientKey } = server;
    const bare = anonymous(server).auth.login({
      appId,
      clientKey,
      credential: { case: "bareId", value: { userId: tom.userId } },
    });
    expect(await refused(bare)).toMatchObject({ reason: "LOGIN_DISABLED" });
  });

  test("makes an ordinary user of a guest, under its id, with all it had, and tells its devices", async () => {
    const [guest, tom] = [await newGuest(server, { colour: "grey" }), await newUser(server, "tom")];
    await say(tom, toUser(guest.userId), "hello");
    const events = await watch(guest);
    await link(guest, await phone(newPhoneNumber()));
    expect(await events()).toEqual([
      {
        userChanged: {
          change: "CHANGE_KIND_UPDATED",
          user: expect.objectContaining({ userId: guest.userId, kind: "USER_KIND_ORDINARY" }),
        },
      },
    ]);
    const { user } = await guest.rpc.user.getUser({ userId: guest.userId });
    expect(user).toMatchObject({ kind: UserKind.ORDINARY, attributes: { colour: "grey" } });
    // Its open session is an ordinary user's at once.
    await guest.rpc.friend.addFriend({ userId: tom.userId });
    expect((await guest.rpc.history.listMessages({ peer: toUser(tom.userId) })).messages).toHaveLength(1);
  });

  test("that is another user's is taken, and whose it is is not told", async () => {
    const [tom, jerry] = [await newUser(server, "tom"), await newUser(server, "jerry")];
    const [name, number, uid] = [subject("name"), newPhoneNumber(), newUid()];
    for (const one of [password(name), await phone(number), account(uid)]) await link(tom, one);
    for (const [field, one] of [
      ["password", password(name, "another")],
      ["sms", await phone(number)],
      ["oauth", account(uid)],
    ] as const) {
      const told = await refusal(link(jerry, one));
      expect(told).toMatchObject(taken(field));
      expect(JSON.stringify([told.message, told.detail.metadata])).not.toContain(tom.userId);
    }
    expect(await listed(jerry)).toEqual([]);
    // A code that was right is used up all the same.
    const again = await phone(number);
    expect(await refused(link(jerry, again))).toEqual(taken("sms"));
    expect(await refused(enter(again))).toMatchObject({ reason: "WRONG_CREDENTIAL" });
  });

  test("is one of each kind, and the same again changes nothing", async () => {
    const tom = await newUser(server, "tom");
    const [name, number, uid] = [subject("name"), newPhoneNumber(), newUid()];
    for (const one of [password(name), await phone(number), account(uid)]) await link(tom, one);
    const before = await listed(tom);
    await link(tom, await phone(number));
    await link(tom, account(uid));
    for (const [field, one] of [
      ["password", password(name)],
      ["password", password(subject("other"))],
      ["sms", await phone(newPhoneNumber())],
      ["oauth", account(newUid())],
    ] as const)
      expect(await refused(link(tom, one))).toEqual(taken(field));
    expect(await listed(tom)).toEqual(before);
  });

  test("must be proved: a wrong code or token links nothing", async () => {
    const tom = await newUser(server, "tom");
    const number = newPhoneNumber();
    await phone(number);
    const code = wrongCode(printedCode(server, number));
    expect(await refused(link(tom, { case: "sms", value: { phoneNumber: number, code } }))).toMatchObject({
      reason: "WRONG_CREDENTIAL",
      field: "sms",
    });
    expect(
      await refused(link(tom, { case: "oauth", value: { provider: "weibo", accessToken: "unknown" } })),
    ).toMatchObject({ reason: "WRONG_CREDENTIAL", field: "oauth" });
    expect(await listed(tom)).toEqual([]);
  });

  test("that many users link at once goes to one", async () => {
    const users = await Promise.all(count(4).map(() => newUser(server)));
    const name = subject("race");
    const tries = await Promise.allSettled(users.map((user) => link(user, password(name))));
    expect(tries.filter((one) => one.status === "fulfilled")).toHaveLength(1);
  });

  test("is a session's matter alone", async () => {
    const tom = await newUser(server, "tom");
    const acting = backend(server).as(tom.userId).auth;
    const calls = [
      acting.linkCredential({ credential: password(subject("name")) }),
      acting.listCredentials({}),
      acting.unlinkCredential({ kind: CredentialKind.SMS }),
      acting.changePassword({ oldPassword: "a", newPassword: "b" }),
    ];
    for (const refusal of await Promise.all(calls.map(refused)))
      expect(refusal).toMatchObject({ reason: "UNAUTHENTICATED" });
  });
});

describe("a credential that is taken away", () => {
  test("opens nothing any more, and is free for others; the last one stays", async () => {
    const [tom, jerry] = [await newUser(server, "tom"), await newUser(server, "jerry")];
    const [name, number] = [subject("name"), newPhoneNumber()];
    await link(tom, password(name));
    const unlink = (kind: CredentialKind, provider = "") => tom.rpc.auth.unlinkCredential({ kind, provider });
    const last = { code: "FailedPrecondition", reason: "LAST_CREDENTIAL", field: "kind" };
    expect(await refused(unlink(CredentialKind.PASSWORD))).toEqual(last);
    await link(tom, await phone(number));
    await unlink(CredentialKind.SMS);
    expect(await refused(unlink(CredentialKind.SMS))).toMatchObject({ reason: "NOT_FOUND", field: "kind" });
    await link(jerry, await phone(number));
    expect((await enter(await phone(number))).userId).toBe(jerry.userId);
    await link(tom, account(newUid()));
    expect(await refused(unlink(CredentialKind.OAUTH, "other"))).toMatchObject({ reason: "NOT_FOUND" });
    expect(await refused(unlink(CredentialKind.PASSWORD, "weibo"))).toMatchObject({
      reason: "INVALID_FIELD",
      field: "provider",
    });
    await unlink(CredentialKind.PASSWORD);
    expect(await refused(enter(password(name)))).toMatchObject({ reason: "WRONG_CREDENTIAL" });
    expect(await refused(unlink(CredentialKind.OAUTH, "weibo"))).toEqual(last);
    expect(await refused(unlink(CredentialKind.UNSPECIFIED))).toMatchObject({ reason: "INVALID_FIELD", field: "kind" });
    // The session goes on all the while.
    expect(await listed(tom)).toHaveLength(1);
  });

  test("of two at once, one stays", async () => {
    const tom = await newUser(server, "tom");
    await link(tom, password(subject("name")));
    await link(tom, await phone(newPhoneNumber()));
    const both = [CredentialKind.PASSWORD, CredentialKind.SMS].map((kind) => tom.rpc.auth.unlinkCredential({ kind }));
    expect((await Promise.allSettled(both)).map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await listed(tom)).toHaveLength(1);
  });
});

describe("a password", () => {
  const withPassword = async (secret = "old") => {
    const user = await newUser(server, "tom");
    const name = subject("name");
    await link(user, password(name, secret));
    return { user, name };
  };

  test("that is changed ends every other session, and tells each why", async () => {
    const { user, name } = await withPassword();
    const [phone, away] = [await newDevice(server, user), await newDevice(server, user)];
    const stream = openStream(phone);
    await stream.frame("caughtUp");
    await user.rpc.auth.changePassword({ oldPassword: "old", newPassword: "new" });
    expect((await stream.frame("goodbye")).reconnect).toBe(false);
    expect(stream.events().at(-1)?.event).toMatchObject({
      case: "sessionRevoked",
      value: { reason: SessionRevokedReason.PASSWORD_CHANGED, sessionId: phone.sessionId },
    });
    for (const ended of [phone, away])
      expect(await refused(ended.rpc.auth.listSessions({}))).toMatchObject({ reason: "SESSION_REVOKED" });
    const { sessions } = await user.rpc.auth.listSessions({});
    expect(sessions.map(({ sessionId }) => sessionId)).toEqual([user.sessionId]);
    expect(await refused(enter(password(name, "old")))).toMatchObject({ reason: "WRONG_CREDENTIAL" });
    expect((await enter(password(name, "new"))).userId).toBe(user.userId);
  });

  test("is changed only by who knows the old one, in a few tries that nobody else can use up", async () => {
    const { user, name } = await withPassword();
    const change = (oldPassword: string) => user.rpc.auth.changePassword({ oldPassword, newPassword: "new" });
    const old = { code: "Unauthenticated", reason: "WRONG_CREDENTIAL", field: "old_password" };
    for (const _ of count(10)) await refusal(enter(password(name, "guess")));
    expect(await refused(enter(password(name, "old")))).toMatchObject({ reason: "RATE_LIMITED" });
    for (const _ of count(9)) expect(await refused(change("guess"))).toEqual(old);
    const device = await newDevice(server, user);
    await change("old");
    expect(await refused(device.rpc.auth.listSessions({}))).toMatchObject({ reason: "SESSION_REVOKED" });
    expect(await refused(change("new"))).toMatchObject({ reason: "RATE_LIMITED" });
    clock.advance(300_000);
    expect(await refused(change("old"))).toEqual(old);
    // Guessing has cost the session nothing.
    expect(await listed(user)).toHaveLength(1);
    const bare = await newUser(server);
    expect(await refused(bare.rpc.auth.changePassword({ oldPassword: "a", newPassword: "b" }))).toMatchObject({
      reason: "NOT_FOUND",
      field: "old_password",
    });
  });

  test("is reset by the backend, which ends all sessions", async () => {
    const { user, name } = await withPassword();
    const { admin } = backend(server);
    await admin.resetPassword({ userId: user.userId, newPassword: "reset" });
    expect(await refused(user.rpc.auth.listSessions({}))).toMatchObject({ reason: "SESSION_REVOKED" });
    expect(await refused(enter(password(name, "old")))).toMatchObject({ reason: "WRONG_CREDENTIAL" });
    expect((await enter(password(name, "reset"))).userId).toBe(user.userId);
    const bare = await newUser(server);
    for (const userId of [bare.userId, "nobody-of-that-name"])
      expect(await refused(admin.resetPassword({ userId, newPassword: "x" }))).toMatchObject({
        reason: "NOT_FOUND",
        field: "user_id",
      });
    expect(await listed(bare)).toEqual([]);
  });
});

describe("the SDK", () => {
  test("links, lists, unlinks and changes the password; a wrong one logs nobody out", async () => {
    const { url: baseUrl, appId, clientKey } = server;
    const client = createSdkClient({ baseUrl, appId, clientKey });
    const other = createSdkClient({ baseUrl, appId, clientKey });
    const number = newPhoneNumber();
    const { resendDelayMs, codeExpireTime } = await client.requestSmsCode(number, { locale: "en" });
    expect([resendDelayMs, codeExpireTime.getTime() - clock.now()]).toEqual([60_000, 300_000]);
    const me = await client.login({ phoneNumber: number, code: printedCode(server, number) });
    const username = subject("name");
    await client.credentials.link({ username, password: "old" });
    expect((await client.credentials.list()).map(({ kind }) => kind)).toEqual([
      CredentialKind.PASSWORD,
      CredentialKind.SMS,
    ]);
    expect((await other.login({ username, password: "old" })).userId).toBe(me.userId);
    const wrong = client.changePassword("wrong", "new");
    await expect(wrong).rejects.toMatchObject({ reason: "WRONG_CREDENTIAL", field: "old_password" });
    expect(client.currentUser?.userId).toBe(me.userId);
    expect((await client.sessions.list()).sessions).toHaveLength(2);
    await client.changePassword("old", "new");
    expect((await client.sessions.list()).sessions).toHaveLength(1);
    await client.credentials.unlink("sms");
    await expect(client.credentials.unlink("password")).rejects.toMatchObject({ reason: "LAST_CREDENTIAL" });
    await expect(client.credentials.unlink({ provider: "weibo" })).rejects.toMatchObject({ reason: "NOT_FOUND" });
    await client.close();
    await other.close();
    clock.advance(60_000);
    await requestCode(server, number);
    expect((await loginBySms(server, number, printedCode(server, number))).userId).not.toBe(me.userId);
  });
});
