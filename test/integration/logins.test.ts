import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SetTokenKeysRequestSchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { LoginRequestSchema } from "@parley/proto/parley/v1/auth_service_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { anonymous, backend, newUser, refusal, startTestServer, type TestServer, withToken } from "../support/index.js";
import { edDsa, es256, hs256, jwt, keyPair, rs256, unsigned } from "../support/jwt.js";
import { count, must, newGuest, newPair, newRoom, otherApp, say, subject, toUser } from "../support/messaging.js";
import { refused } from "./watching.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ settings: { privateFetch: ["127.0.0.1"] } });
});
afterAll(() => server.close());

type Credential = NonNullable<MessageInitShape<typeof LoginRequestSchema>["credential"]>;

const enter = (credential: Credential, on: TestServer = server) =>
  anonymous(on).auth.login({ appId: on.appId, clientKey: on.clientKey, credential });
const bareId = (userId: string): Credential => ({ case: "bareId", value: { userId } });
const guest = (userId = ""): Credential => ({ case: "guest", value: { userId } });
const password = (username: string, secret: string): Credential => ({
  case: "password",
  value: { username, password: secret },
});
const token = (value: string): Credential => ({ case: "signedToken", value: { token: value } });
const account = (username: string, secret: string, on: TestServer = server) =>
  anonymous(on).auth.createAccount({ appId: on.appId, clientKey: on.clientKey, username, password: secret });
const kindOf = async (userId: string, on: TestServer = server) =>
  (await backend(on).user.getUser({ userId })).user?.kind;

const disabled = (field: string) => ({ code: "PermissionDenied", reason: "LOGIN_DISABLED", field });
const wrong = (field = "") => ({ code: "Unauthenticated", reason: "WRONG_CREDENTIAL", field });

describe("a bare id", () => {
  test("makes the user the first time and finds it again", async () => {
    const userId = subject("bare");
    const [first, again] = [await enter(bareId(userId)), await enter(bareId(userId))];
    expect([first.created, again.created]).toEqual([true, false]);
    expect([first.userId, again.userId]).toEqual([userId, userId]);
    expect(first.sessionToken).not.toBe(again.sessionToken);
    expect(await kindOf(userId)).toBe(UserKind.ORDINARY);
    for (const id of ["", "a b", "é", "a:b", "x".repeat(129)])
      expect(await refused(enter(bareId(id)))).toMatchObject({ reason: "INVALID_FIELD", field: "bare_id.user_id" });
    expect((await enter(bareId("y".repeat(128)))).created).toBe(true);
  });

  test("is refused where the app says so, and for who has another credential or is a guest", async () => {
    const strict = await otherApp(server, { allowBareIdLogin: false });
    expect(await refused(enter(bareId("tom"), strict))).toEqual(disabled("bare_id"));
    const { user } = await account(subject("acc"), "secret");
    expect(await refused(enter(bareId(must(user).userId)))).toEqual(disabled("bare_id"));
    expect(await refused(enter(bareId((await newGuest(server)).userId)))).toEqual(disabled("bare_id"));
  });
});

describe("an account", () => {
  test("is made with an id of its own, and opened by its name and password, byte for byte", async () => {
    const name = `Tóm ${subject("")}`;
    const { user } = await account(name, "pass wörd");
    expect(user).toMatchObject({ displayName: name, kind: UserKind.ORDINARY });
    expect(user?.userId).not.toBe(name);
    expect(await enter(password(name, "pass wörd"))).toMatchObject({ userId: user?.userId, created: false });
    for (const other of [name.toLowerCase(), name.normalize("NFD"), `${name} `])
      expect(await refused(enter(password(other, "pass wörd")))).toEqual(wrong());
    expect(await refused(account(name, "other"))).toEqual({
      code: "AlreadyExists",
      reason: "ALREADY_EXISTS",
      field: "username",
    });
    expect((await account(name.toLowerCase(), "other")).user?.userId).not.toBe(user?.userId);
  });

  test("answers a wrong password as it answers a name that is not there", async () => {
    const name = subject("acc");
    await account(name, "secret");
    const [a, b] = [await refusal(enter(password(name, "Secret"))), await refusal(enter(password(subject("no"), "x")))];
    for (const answer of [a, b]) expect(answer).toMatchObject(wrong());
    expect(a.message).toBe(b.message);
    expect(Object.keys(a.detail.metadata)).toEqual(Object.keys(b.detail.metadata));
  });

  test("that many make at once goes to one", async () => {
    const name = subject("race");
    const tries = await Promise.allSettled(count(6).map((at) => account(name, `secret ${at}`)));
    expect(tries.filter((one) => one.status === "fulfilled")).toHaveLength(1);
  });

  test("cannot be made where the app says so, or without the app's key", async () => {
    const strict = await otherApp(server, { allowAccountCreation: false });
    expect(await refused(account("a", "b", strict))).toEqual({ ...disabled(""), field: "" });
    expect(await refused(account("a", "b", { ...server, clientKey: "wrong" }))).toEqual(wrong());
    expect(await refused(account("", "b"))).toMatchObject({ reason: "INVALID_FIELD", field: "username" });
    expect(await refused(account("a", "x".repeat(1025)))).toMatchObject({ reason: "TOO_LARGE", field: "password" });
  });
});

describe("a guest", () => {
  test("gets an id, keeps its data, and comes back by its id", async () => {
    const one = await newGuest(server, { colour: "grey" });
    expect(await kindOf(one.userId)).toBe(UserKind.GUEST);
    const attributes = async () => (await backend(server).user.getUser({ userId: one.userId })).user?.attributes;
    expect(await attributes()).toEqual({ colour: "grey" });
    expect(await enter(guest(one.userId))).toMatchObject({ userId: one.userId, created: false });
    expect(await attributes()).toEqual({ colour: "grey" });
    expect((await enter(guest(subject("chosen")))).created).toBe(true);
  });

  test("may not take an ordinary user's id, nor choose one where ids are not for choosing", async () => {
    const tom = await newUser(server);
    expect(await refused(enter(guest(tom.userId)))).toEqual(disabled("guest"));
    const strict = await otherApp(server, { allowBareIdLogin: false });
    expect(await refused(enter(guest("me"), strict))).toEqual(disabled("guest"));
    expect((await enter(guest(), strict)).created).toBe(true);
    expect(await refused(enter(guest(), await otherApp(server, { allowGuestLogin: false })))).toEqual(
      disabled("guest"),
    );
  });

  test("has no friends, groups and rooms, and turns into an ordinary user under its id by a signed token", async () => {
    const app = await otherApp(server);
    const [tom] = await newPair(app);
    const room = await newRoom(tom, []);
    const one = await newGuest(app);
    await say(tom, toUser(one.userId), "hi");
    for (const call of [
      () => one.rpc.friend.addFriend({ userId: tom.userId }),
      () => tom.rpc.friend.addFriend({ userId: one.userId }),
      () => one.rpc.group.createGroup({}),
      () => one.rpc.room.joinRoom({ roomId: room }),
    ])
      expect((await refusal(call())).reason).toBe("ROLE_TOO_LOW");
    await backend(app).admin.setTokenKeys({ keys: [{ key: { case: "hs256Secret", value: SECRET } }] });
    const signed = jwt({ alg: "HS256" }, claims(app, one.userId), hs256(SECRET));
    expect(await enter(token(signed), app)).toMatchObject({ userId: one.userId, created: false });
    // Its open session is an ordinary user's too, and what it had is there.
    await one.rpc.room.joinRoom({ roomId: room });
    expect((await one.rpc.history.listMessages({ peer: toUser(tom.userId) })).messages).toHaveLength(1);
    expect(await refused(enter(guest(one.userId), app))).toEqual(disabled("guest"));
  });
});

const SECRET = "a shared secret of at least 32 bytes";
const now = () => Math.floor(Date.now() / 1000);
const claims = (app: TestServer, sub: string, rest: object = {}) => ({
  sub,
  aud: app.appId,
  iat: now(),
  exp: now() + 600,
  ...rest,
});

describe("a signed token", () => {
  type Keys = MessageInitShape<typeof SetTokenKeysRequestSchema>["keys"];
  const withKeys = async (keys: Keys): Promise<TestServer> => {
    const app = await otherApp(server, { allowBareIdLogin: false });
    await backend(app).admin.setTokenKeys({ keys: keys ?? [] });
    return app;
  };
  const secret = { key: { case: "hs256Secret" as const, value: SECRET } };

  test("of every algorithm opens a session, made by hand as by any library", async () => {
    const [rsa, ec, ed] = [keyPair("rsa"), keyPair("ec"), keyPair("ed25519")];
    const pem = (value: string, keyId: string) => ({ keyId, key: { case: "publicKeyPem" as const, value } });
    const app = await withKeys([secret, pem(rsa.pem, "r"), pem(ec.pem, "e"), pem(ed.pem, "d")]);
    const tokens = [
      jwt({ alg: "HS256" }, claims(app, "u1"), hs256(SECRET)),
      jwt({ alg: "RS256", kid: "r" }, claims(app, "u2"), rs256(rsa.privateKey)),
      jwt({ alg: "ES256", kid: "e", typ: "JWT" }, claims(app, "u3", { aud: ["x", app.appId] }), es256(ec.privateKey)),
      jwt({ alg: "EdDSA", kid: "d" }, claims(app, "u4", { exp: now() + 86_399 }), edDsa(ed.privateKey)),
    ];
    for (const [at, each] of tokens.entries()) {
      // Without a jti a token may be used again.
      expect(await enter(token(each), app)).toMatchObject({ userId: `u${at + 1}`, created: true });
      expect(await enter(token(each), app)).toMatchObject({ userId: `u${at + 1}`, created: false });
    }
  });

  test("with a jti opens one session, of many that try at once", async () => {
    const app = await withKeys([secret]);
    const once = jwt({ alg: "HS256" }, claims(app, "once", { jti: "j-1" }), hs256(SECRET));
    const tries = await Promise.allSettled(count(8).map(() => enter(token(once), app)));
    expect(tries.filter((one) => one.status === "fulfilled")).toHaveLength(1);
    const other = jwt({ alg: "HS256" }, claims(app, "other", { jti: "j-1" }), hs256(SECRET));
    expect(await refused(enter(token(other), app))).toEqual(wrong("signed_token.token"));
  });

  test("that is anything but good gets one answer", async () => {
    const rsa = keyPair("rsa");
    const app = await withKeys([secret, { keyId: "r", key: { case: "publicKeyPem", value: rsa.pem } }]);
    const hs = (rest: object, header: object = {}) =>
      jwt({ alg: "HS256", ...header }, claims(app, "tom", rest), hs256(SECRET));
    const bad: Record<string, string> = {
      "no token": "x",
      "three empty parts": "..",
      "another secret": jwt({ alg: "HS256" }, claims(app, "tom"), hs256(`${SECRET}!`)),
      "no signature": jwt({ alg: "none" }, claims(app, "tom"), unsigned),
      "the public key as a secret": jwt({ alg: "HS256", kid: "r" }, claims(app, "tom"), hs256(rsa.pem)),
      "another key": jwt({ alg: "RS256", kid: "r" }, claims(app, "tom"), rs256(keyPair("rsa").privateKey)),
      "another key id": jwt({ alg: "RS256", kid: "q" }, claims(app, "tom"), rs256(rsa.privateKey)),
      "another algorithm": hs({}, { alg: "HS512" }),
      "another app": hs({ aud: server.appId }),
      "no app": hs({ aud: undefined }),
      "no user": hs({ sub: undefined }),
      "a user id that is none": hs({ sub: "a b" }),
      "a number for a user": hs({ sub: 5 }),
      expired: hs({ iat: now() - 20, exp: now() - 1 }),
      "no end": hs({ exp: undefined }),
      "no beginning": hs({ iat: undefined }),
      "a life of more than a day": hs({ exp: now() + 86_401, iat: now() }),
      "made in the future": hs({ iat: now() + 300 }),
      "not yet good": hs({ nbf: now() + 300 }),
      "an unknown critical header": hs({}, { crit: ["x"], x: 1 }),
      "an empty jti": hs({ jti: "" }),
    };
    const answers = new Set<string>();
    for (const [what, each] of Object.entries(bad)) {
      const answer = await enter(token(each), app).then(
        () => undefined,
        (error: unknown) => refusal(Promise.reject(error)),
      );
      expect([what, answer]).toMatchObject([what, wrong("signed_token.token")]);
      answers.add(must(answer).message);
    }
    expect(answers.size).toBe(1);
    expect(await refusal(backend(app).user.getUser({ userId: "tom" }))).toMatchObject({ reason: "NOT_FOUND" });
  });

  test("is checked with the keys of now: none turns it off", async () => {
    const app = await withKeys([]);
    const good = () => token(jwt({ alg: "HS256" }, claims(app, "tom"), hs256(SECRET)));
    expect(await refused(enter(good(), app))).toEqual(disabled("signed_token"));
    await backend(app).admin.setTokenKeys({ keys: [secret] });
    expect((await enter(good(), app)).created).toBe(true);
    const another = { key: { case: "hs256Secret" as const, value: "another secret of at least 32 bytes!" } };
    await backend(app).admin.setTokenKeys({ keys: [another] });
    expect(await refused(enter(good(), app))).toEqual(wrong("signed_token.token"));
    const set = (keys: Keys) => refused(backend(app).admin.setTokenKeys({ keys: keys ?? [] }));
    expect(await set([{ key: { case: "hs256Secret", value: "x".repeat(31) } }])).toMatchObject({
      reason: "INVALID_FIELD",
    });
    expect(await set([{ key: { case: "publicKeyPem", value: "x" } }])).toMatchObject({
      field: "keys[0].public_key_pem",
    });
    expect(await set([{ key: { case: "jwksUrl", value: "http://example.org/k" } }])).toMatchObject({
      field: "keys[0].jwks_url",
    });
    expect(await set(count(11).map(() => secret))).toMatchObject({ reason: "TOO_LARGE", field: "keys" });
  });

  test("by a JWKS document: fetched once for many tokens", async () => {
    const pair = keyPair("ec");
    let fetches = 0;
    const keys = createServer((_, response) => {
      fetches += 1;
      response.end(JSON.stringify({ keys: [{ ...pair.publicKey.export({ format: "jwk" }), kid: "k", alg: "ES256" }] }));
    });
    await new Promise<void>((resolve) => keys.listen(0, "127.0.0.1", resolve));
    const value = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/keys`;
    const app = await withKeys([{ key: { case: "jwksUrl", value } }]);
    for (const at of count(3)) {
      const signed = jwt({ alg: "ES256", kid: "k" }, claims(app, `u${at}`), es256(pair.privateKey));
      expect((await enter(token(signed), app)).userId).toBe(`u${at}`);
    }
    expect(fetches).toBe(1);
    await new Promise((resolve) => keys.close(resolve));
  });
});

describe("any login", () => {
  test("by what the app has not set up is refused, and so is one by nothing", async () => {
    const strict = await otherApp(server, { allowBareIdLogin: false });
    const sms: Credential = { case: "sms", value: { phoneNumber: "+8613800138000", code: "123456" } };
    const oauth: Credential = { case: "oauth", value: { provider: "qq" } };
    expect(await refused(enter(sms, strict))).toEqual(disabled("sms"));
    expect(await refused(enter(oauth, strict))).toEqual(disabled("oauth.provider"));
    const { appId, clientKey } = server;
    expect(await refused(anonymous(server).auth.login({ appId, clientKey }))).toMatchObject({
      reason: "INVALID_FIELD",
    });
  });

  test("to a wrong app, or with a wrong key, gets one answer", async () => {
    const tries = [
      { ...server, clientKey: "wrong" },
      { ...server, appId: "none" },
    ];
    const answers = [];
    for (const each of tries) answers.push(await refusal(enter(bareId("x"), each)));
    for (const answer of answers) expect(answer).toMatchObject({ ...wrong(), message: answers[0]?.message });
  });

  test("is tried only so often for one account: others, and open sessions, go on", async () => {
    const clock = fakeClock(Date.now());
    const own = await startTestServer({ clock, limits: { loginTries: 3, loginWindowSeconds: 30 } });
    await account("tom", "secret", own);
    const { sessionToken } = await enter(password("tom", "secret"), own);
    for (const _ of count(2))
      expect((await refusal(enter(password("tom", "wrong"), own))).reason).toBe("WRONG_CREDENTIAL");
    for (const secret of ["wrong", "secret"]) {
      const { code, reason, detail } = await refusal(enter(password("tom", secret), own));
      expect([code, reason, detail.retryable]).toEqual(["ResourceExhausted", "RATE_LIMITED", true]);
      expect(detail.retryDelay).toMatchObject({ seconds: 10n });
    }
    expect((await refusal(enter(password("spike", "x"), own))).reason).toBe("WRONG_CREDENTIAL");
    expect((await withToken(own, sessionToken).auth.listSessions({})).sessions).toHaveLength(1);
    clock.advance(10_000);
    expect((await enter(password("tom", "secret"), own)).created).toBe(false);
    await own.close();
  });
});
