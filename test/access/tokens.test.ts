import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import {
  backend,
  login,
  newUser,
  openStream,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
} from "../support/index.js";
import { edDsa, es256, hs256, jwt, keyPair, rs256, unsigned } from "../support/jwt.js";
import { must, newDevice, otherApp } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { type Answer, bearer, call, METHODS } from "./call.js";

const LIST = must(METHODS.get("AuthService/ListSessions"));
const LOGIN = must(METHODS.get("AuthService/Login"));
/** Streams end at once; the bound of the promise for other nodes, with room for a busy machine. */
const WITHIN_MS = 10_000;

describe("A5: a session that is over", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  const endings: [string, (user: TestUser) => Promise<unknown>][] = [
    ["logged out", (user) => user.rpc.auth.logout({})],
    ["revoked by another device", async (user) => (await newDevice(server, user)).rpc.auth.revokeSession(user)],
    ["revoked by itself", (user) => user.rpc.auth.revokeSession({ sessionId: user.sessionId })],
  ];

  test.each(endings)("%s: its token is refused, its streams end", async (_, end) => {
    const user = await newUser(server);
    const stream = await subscribe(user);
    const waiting = user.rpc.message.listEvents({
      cursor: (await stream.frame("caughtUp")).cursor,
      wait: { seconds: 25n },
    });
    const began = performance.now();
    await end(user);
    expect(await call(server.url, LIST, {}, bearer(user.token))).toMatchObject({
      code: "unauthenticated",
      reason: "SESSION_REVOKED",
    });
    await stream.ended;
    expect(performance.now() - began).toBeLessThan(WITHIN_MS);
    expect(stream.frames.at(-1)).toMatchObject({ case: "goodbye", value: { reconnect: false } });
    await openStream(user).ended.then((error) => expect(String(error)).toContain("unauthenticated"));
    await waiting.catch(() => undefined);
  });

  test("is told quickly", async (context) => {
    const took: number[] = [];
    for (const _ of endings) {
      const user = await newUser(server);
      const stream = await subscribe(user);
      const began = performance.now();
      await user.rpc.auth.logout({});
      await stream.ended;
      took.push(performance.now() - began);
      await stream.close();
    }
    figure(context, `streams end ${Math.max(...took).toFixed(0)} ms after a logout at most`);
    expect(Math.max(...took)).toBeLessThan(WITHIN_MS);
  });

  test("replaced on its installation, or past its time", async () => {
    const clock = fakeClock(Date.now());
    const own = await startTestServer({ clock, times: { sessionMs: 60_000 } });
    const user = await login(own, "tom");
    clock.advance(59_999);
    expect((await call(own.url, LIST, {}, bearer(user.token))).ok).toBe(true);
    clock.advance(1);
    const late = await call(own.url, LIST, {}, bearer(user.token));
    expect(late).toMatchObject({ ok: false, reason: "SESSION_REVOKED" });
    const enter = () =>
      call(own.url, LOGIN, {
        appId: own.appId,
        clientKey: own.clientKey,
        bareId: { userId: "tom" },
        installation: { installationId: "phone" },
      });
    const [first, second] = [await enter(), await enter()];
    if (!first.ok || !second.ok) throw new Error("no login");
    expect(await call(own.url, LIST, {}, bearer(String(first.body.sessionToken)))).toMatchObject({
      reason: "SESSION_REVOKED",
    });
    expect((await call(own.url, LIST, {}, bearer(String(second.body.sessionToken)))).ok).toBe(true);
    await own.close();
  });

  test("of a service key: refused at once, and what it acted for too", async () => {
    const { admin } = backend(server);
    const { record, serviceKey } = await admin.createServiceKey({ name: "k" });
    const user = await newUser(server);
    const acting = { ...bearer(serviceKey), "parley-acting-user": user.userId };
    expect((await call(server.url, LIST, {}, acting)).ok).toBe(true);
    await admin.revokeServiceKey({ serviceKeyId: must(record).serviceKeyId });
    expect(await call(server.url, LIST, {}, acting)).toMatchObject({ reason: "UNAUTHENTICATED" });
    const settings = must(METHODS.get("AdminService/GetSettings"));
    expect(await call(server.url, settings, {}, bearer(serviceKey))).toMatchObject({ reason: "UNAUTHENTICATED" });
  });
});

describe("A5: a token in the wrong place, or of the wrong form", () => {
  let server: TestServer;
  let user: TestUser;
  beforeAll(async () => {
    server = await startTestServer();
    user = await newUser(server);
  });
  afterAll(() => server.close());

  test("in the address, a cookie or the body is no token", async () => {
    const path = `${server.url}/parley.v1.AuthService/ListSessions`;
    const refused = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];
    for (const name of ["access_token", "token", "authorization", "Authorization"]) {
      const query = `connect=v1&encoding=json&message=%7B%7D&${name}=${user.token}`;
      expect(await refused(await fetch(`${path}?${query}`))).toEqual([401, "unauthenticated"]);
      const post = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
      expect(await refused(await fetch(`${path}?${name}=${user.token}`, post))).toEqual([401, "unauthenticated"]);
    }
    const headers = { cookie: `token=${user.token}; authorization=Bearer ${user.token}` };
    expect(await call(server.url, LIST, {}, headers)).toMatchObject({ reason: "UNAUTHENTICATED" });
    expect(await call(server.url, LIST, { token: user.token, authorization: user.token })).toMatchObject({
      reason: "UNAUTHENTICATED",
    });
  });

  test.each<[string, (token: string) => string]>([
    ["cut by one", (token) => token.slice(0, -1)],
    ["longer by one", (token) => `${token}A`],
    ["with a letter changed", (token) => `${token.slice(0, 10)}${token[10] === "A" ? "B" : "A"}${token.slice(11)}`],
    ["in capitals", (token) => token.toUpperCase()],
    ["of another prefix", (token) => token.replace("ps_", "pk_")],
    ["of no prefix", (token) => token.replace("ps_", "")],
    ["twice", (token) => `${token},${token}`],
    ["as its hash", () => "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"],
    ["of nothing", () => ""],
    ["of a session's id", () => "ps_session"],
    ["of 12 KiB", () => `ps_${"x".repeat(12_000)}`],
  ])("%s is refused", async (_, spoil) => {
    const answer = await call(server.url, LIST, {}, bearer(spoil(user.token)));
    expect(answer).toMatchObject({ ok: false, code: "unauthenticated" });
    expect(JSON.stringify(answer)).not.toContain(user.token.slice(3));
  });

  test("a service key from a web page is refused, a session is not; acting is for service keys", async () => {
    const origin = { origin: "https://evil.example.org" };
    const settings = must(METHODS.get("AdminService/GetSettings"));
    expect(await call(server.url, settings, {}, { ...bearer(server.serviceKey), ...origin })).toMatchObject({
      reason: "UNAUTHENTICATED",
    });
    expect(await call(server.url, settings, {}, { ...bearer(server.serviceKey), origin: "null" })).toMatchObject({
      ok: false,
    });
    expect((await call(server.url, LIST, {}, { ...bearer(user.token), ...origin })).ok).toBe(true);
    for (const token of [user.token, server.operatorToken])
      expect(await call(server.url, LIST, {}, { ...bearer(token), "parley-acting-user": "somebody" })).toMatchObject({
        reason: "UNAUTHENTICATED",
      });
  });
});

describe("A5: a forged signed token", () => {
  const [rsa, ec, ed, foreign] = [keyPair("rsa"), keyPair("ec"), keyPair("ed25519"), keyPair("ec")];
  const secret = "0123456789abcdef0123456789abcdef";
  let server: TestServer;
  let other: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ limits: { loginTries: 1e6 } });
    other = await otherApp(server);
    for (const app of [server, other])
      await backend(app).admin.setTokenKeys({
        keys: [
          { key: { case: "hs256Secret", value: secret }, keyId: "hs" },
          ...[rsa, ec, ed].map(({ pem }) => ({ key: { case: "publicKeyPem" as const, value: pem } })),
        ],
      });
  });
  afterAll(() => server.close());

  const now = Math.floor(Date.now() / 1000);
  const enter = (token: string, app = server): Promise<Answer> =>
    call(server.url, LOGIN, { appId: app.appId, clientKey: app.clientKey, signedToken: { token } });
  const claims = (more: object = {}) => ({ sub: "tom", aud: server.appId, iat: now, exp: now + 600, ...more });

  test("is refused, whatever was forged", async (context) => {
    const jwk = foreign.publicKey.export({ format: "jwk" });
    const signed = jwt({ alg: "ES256" }, claims(), es256(ec.privateKey));
    const [head = "", body = "", signature = ""] = signed.split(".");
    const forged: Record<string, string> = {
      "alg none": jwt({ alg: "none" }, claims(), unsigned),
      "alg None": jwt({ alg: "None" }, claims(), unsigned),
      "no alg": jwt({}, claims(), unsigned),
      "no signature": `${head}.${body}.`,
      "two parts": `${head}.${body}`,
      "RS256 as HS256, by the public key": jwt({ alg: "HS256" }, claims(), hs256(rsa.pem)),
      "RS256 as HS256 with a kid": jwt({ alg: "HS256", kid: "hs" }, claims(), hs256(rsa.pem)),
      "ES256 as HS256": jwt({ alg: "HS256" }, claims(), hs256(ec.pem)),
      "EdDSA as HS256": jwt({ alg: "HS256" }, claims(), hs256(ed.pem)),
      "HS256 without its kid": jwt({ alg: "HS256" }, claims(), hs256(secret)),
      HS512: jwt({ alg: "HS512", kid: "hs" }, claims(), hs256(secret)),
      "an empty secret": jwt({ alg: "HS256", kid: "hs" }, claims(), hs256("")),
      "a kid that is a path": jwt({ alg: "HS256", kid: "../../../../dev/null" }, claims(), hs256("")),
      "a kid that is SQL": jwt({ alg: "HS256", kid: "x' UNION SELECT 'a" }, claims(), hs256("a")),
      "a kid that is an object": jwt({ alg: "HS256", kid: { toString: "hs" } }, claims(), hs256(secret)),
      "a key of its own": jwt({ alg: "ES256", jwk }, claims(), es256(foreign.privateKey)),
      "an address of its own": jwt(
        { alg: "ES256", jku: "http://127.0.0.1:9/", x5u: "http://127.0.0.1:9/" },
        claims(),
        es256(foreign.privateKey),
      ),
      "a foreign key": jwt({ alg: "ES256" }, claims(), es256(foreign.privateKey)),
      "an unknown crit": jwt({ alg: "ES256", crit: ["exp2"], exp2: 1 }, claims(), es256(ec.privateKey)),
      "a zero signature": `${head}.${body}.${Buffer.alloc(64).toString("base64url")}`,
      "a changed claim": `${head}.${Buffer.from(JSON.stringify(claims({ sub: "jerry" }))).toString("base64url")}.${signature}`,
      "a changed head": `${Buffer.from('{"alg":"EdDSA"}').toString("base64url")}.${body}.${signature}`,
      "another app's": jwt({ alg: "ES256" }, claims({ aud: other.appId }), es256(ec.privateKey)),
      "no app's": jwt({ alg: "ES256" }, claims({ aud: undefined }), es256(ec.privateKey)),
      "past its time": jwt({ alg: "ES256" }, claims({ iat: now - 700, exp: now - 1 }), es256(ec.privateKey)),
      "from the future": jwt({ alg: "ES256" }, claims({ iat: now + 3600, exp: now + 7200 }), es256(ec.privateKey)),
      "of a year": jwt({ alg: "ES256" }, claims({ exp: now + 31_536_000 }), es256(ec.privateKey)),
      "for ever": jwt({ alg: "ES256" }, claims({ exp: undefined }), es256(ec.privateKey)),
      "of nobody": jwt({ alg: "ES256" }, claims({ sub: undefined }), es256(ec.privateKey)),
      "of no id": jwt({ alg: "ES256" }, claims({ sub: "a b" }), es256(ec.privateKey)),
      "of a list of users": jwt({ alg: "ES256" }, claims({ sub: ["tom"] }), es256(ec.privateKey)),
      "no token": "x",
      "no JSON": "eA.eA.eA",
    };
    for (const [name, token] of Object.entries(forged)) {
      const answer = await enter(token);
      expect(answer, name).toMatchObject({
        ok: false,
        reason: "WRONG_CREDENTIAL",
        field: "signed_token.token",
        message: "the signed token is not good",
      });
    }
    // These are good, so the refusals above were for what was forged.
    const good = [
      signed,
      jwt({ alg: "RS256" }, claims(), rs256(rsa.privateKey)),
      jwt({ alg: "EdDSA" }, claims(), edDsa(ed.privateKey)),
      jwt({ alg: "HS256", kid: "hs" }, claims(), hs256(secret)),
    ];
    for (const token of good) expect((await enter(token)).ok).toBe(true);
    // The same key is known to the other app, which is not whom the token is for.
    for (const token of good) expect(await enter(token, other)).toMatchObject({ reason: "WRONG_CREDENTIAL" });
    figure(
      context,
      `${Object.keys(forged).length} forged tokens refused by one answer, ${good.length} good ones taken by their own app only`,
    );
  });

  test("of great size is refused by its size", async () => {
    const huge = jwt({ alg: "ES256" }, claims({ more: "x".repeat(16_384) }), es256(ec.privateKey));
    expect(await enter(huge)).toMatchObject({ reason: "TOO_LARGE", field: "signed_token.token" });
    const deep = `${Buffer.from(`{"alg":"ES256","x":${"[".repeat(5_000)}${"]".repeat(5_000)}}`).toString("base64url")}.e30.AA`;
    expect(await enter(deep)).toMatchObject({ reason: "WRONG_CREDENTIAL" });
  });
});
