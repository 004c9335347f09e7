import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { OauthCredentialSchema } from "@parley/proto/parley/v1/auth_service_pb.js";
import type { OauthProviderSchema } from "@parley/proto/parley/v1/oauth_provider_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { httpFake } from "../support/http-fake.js";
import { anonymous, backend, startTestServer, type TestServer } from "../support/index.js";
import { hs256, jwt, keyPair, rs256, unsigned } from "../support/jwt.js";
import { count, must, otherApp, subject } from "../support/messaging.js";
import { type FakeOidc, type FakeProvider, fakeOidc, fakeQq, fakeWechat, fakeWeibo } from "../support/oauth-fakes.js";
import { tempFolder } from "../support/temp-store.js";
import { refused } from "./watching.js";

type Provider = Exclude<MessageInitShape<typeof OauthProviderSchema>, { $typeName: string }>;
type Credential = Exclude<MessageInitShape<typeof OauthCredentialSchema>, { $typeName: string }>;

const folder = tempFolder();
let server: TestServer;
let wechat: FakeProvider;
let weibo: FakeProvider;
let qq: FakeProvider;
let oidc: FakeOidc;
beforeAll(async () => {
  [wechat, weibo, qq, oidc] = await Promise.all([fakeWechat(), fakeWeibo(), fakeQq(), fakeOidc()]);
  server = await startTestServer({ settings: { privateFetch: ["127.0.0.1"], dataDir: folder.path } });
  await set(server, [
    { name: "wechat", kind: { case: "wechat", value: { appId: "wx-ours" } }, baseUrl: wechat.url },
    { name: "weibo", kind: { case: "weibo", value: { clientId: "1352222456" } }, baseUrl: `${weibo.url}/` },
    { name: "qq", kind: { case: "qq", value: { clientId: "101000001" } }, baseUrl: qq.url },
    { name: "oidc", kind: oidcKind() },
    { name: "strict", kind: oidcKind({ requireNonce: true, jwksUrl: `${oidc.issuer}/keys` }) },
  ]);
});
afterAll(async () => {
  await server.close();
  for (const fake of [wechat, weibo, qq, oidc]) fake.close();
  folder[Symbol.dispose]();
});

const oidcKind = (rest: object = {}): NonNullable<Provider["kind"]> => ({
  case: "oidc",
  value: { issuer: oidc.issuer, audiences: ["our-client", "our-other-client"], ...rest },
});
const set = (app: TestServer, providers: Provider[]) => backend(app).admin.setOauthProviders({ providers });
const enter = (value: Credential, app: TestServer = server) =>
  anonymous(app).auth.login({
    appId: app.appId,
    clientKey: app.clientKey,
    credential: { case: "oauth", value },
  });
const wrong = { code: "Unauthenticated", reason: "WRONG_CREDENTIAL", field: "oauth" };
const busy = { code: "Unavailable", reason: "SERVER_BUSY", field: "oauth" };
const missing = (part: string) => ({ code: "InvalidArgument", reason: "INVALID_FIELD", field: `oauth.${part}` });

/** Gives out a token of somebody's at a fake. */
function grant(fake: FakeProvider, id: string, client: string, expired = false): string {
  const token = subject("token");
  fake.grants.set(token, { id, client, expired });
  return token;
}
const number = () => String(Math.floor(Math.random() * 1e10));

describe.each([
  ["wechat", () => wechat, "any", () => subject("o6_bmj")],
  ["weibo", () => weibo, "1352222456", number],
  ["qq", () => qq, "101000001", () => subject("openid").toUpperCase()],
] as const)("an access token of %s", (provider, fakeOf, client, newId) => {
  test("makes the user the first time and finds it again, by what the provider says", async () => {
    const id = newId();
    const one = { provider, externalUserId: id, accessToken: grant(fakeOf(), id, client) };
    const first = await enter(one);
    expect(first.created).toBe(true);
    expect(first.userId).not.toContain(id);
    expect(await enter({ ...one, accessToken: grant(fakeOf(), id, client) })).toMatchObject({
      userId: first.userId,
      created: false,
    });
    const other = newId();
    const second = await enter({ ...one, externalUserId: other, accessToken: grant(fakeOf(), other, client) });
    expect(second.userId).not.toBe(first.userId);
  });

  test("that is unknown, has expired or is somebody else's gets one answer", async () => {
    const [tom, jerry] = [newId(), newId()];
    const bad = [
      { externalUserId: tom, accessToken: "unknown" },
      { externalUserId: tom, accessToken: grant(fakeOf(), tom, client, true) },
      { externalUserId: tom, accessToken: grant(fakeOf(), jerry, client) },
    ];
    for (const one of bad) expect(await refused(enter({ provider, ...one }))).toEqual(wrong);
    expect(await refused(enter({ provider, externalUserId: tom }))).toEqual(missing("access_token"));
  });

  test("is asked about again later when the provider is in trouble", async () => {
    const fake = fakeOf();
    const { answer } = fake;
    const one = { provider, externalUserId: newId(), accessToken: "x" };
    for (const trouble of ["cut", { status: 502, body: "<html>" }, { body: "no JSON" }, { body: "[]" }] as const) {
      fake.answer = () => trouble;
      expect(await refused(enter(one))).toEqual(busy);
    }
    fake.answer = answer;
    expect(await refused(enter(one))).toEqual(wrong);
  });
});

describe("the words of the providers", () => {
  test("WeChat needs the openid too, and is busy in its own way", async () => {
    expect(await refused(enter({ provider: "wechat", accessToken: "x" }))).toEqual(missing("external_user_id"));
    const { answer } = wechat;
    wechat.answer = () => ({ body: { errcode: -1, errmsg: "system error" } });
    expect(await refused(enter({ provider: "wechat", accessToken: "x", externalUserId: "o" }))).toEqual(busy);
    wechat.answer = answer;
    const { query, method } = must(wechat.requests.at(-1));
    expect([method, query.get("access_token"), query.get("openid")]).toEqual(["GET", "x", "o"]);
  });

  test("Weibo and QQ say whose it is by themselves, and for which app", async () => {
    const uid = number();
    const named = await enter({ provider: "weibo", externalUserId: uid, accessToken: grant(weibo, uid, "1352222456") });
    const bare = await enter({ provider: "weibo", accessToken: grant(weibo, uid, "1352222456") });
    expect(bare.userId).toBe(named.userId);
    const foreign = [
      { provider: "weibo", accessToken: grant(weibo, uid, "999") },
      { provider: "qq", accessToken: grant(qq, "OPENID", "999") },
    ];
    for (const one of foreign) expect(await refused(enter(one))).toEqual(wrong);
    // A token in the body, not in an address that others may log.
    expect(must(weibo.requests.at(-1)).query.size).toBe(0);
    const { answer } = weibo;
    weibo.answer = () => ({ status: 403, body: { error: "IP requests out of rate limit", error_code: 10022 } });
    expect(await refused(enter({ provider: "weibo", accessToken: "x" }))).toEqual(busy);
    weibo.answer = answer;
  });

  test("QQ's answer is read in its wrapping too", async () => {
    const { answer } = qq;
    qq.answer = () => ({ body: 'callback( {"client_id":"101000001","openid":"WRAPPED"} );\n' });
    expect((await enter({ provider: "qq", accessToken: "x" })).created).toBe(true);
    qq.answer = answer;
  });

  test("an id that is none is refused: empty, too long, of another type", async () => {
    const { answer } = qq;
    for (const openid of ["", "x".repeat(257), "a\0b", 1.5, 2 ** 60, null, { id: 1 }]) {
      qq.answer = () => ({ body: { client_id: "101000001", openid } });
      expect(await refused(enter({ provider: "qq", accessToken: "x" }))).toEqual(wrong);
    }
    qq.answer = () => ({ body: { client_id: "101000001", openid: "x".repeat(256) } });
    expect((await enter({ provider: "qq", accessToken: "x" })).created).toBe(true);
    qq.answer = answer;
  });
});

describe("an id token of OpenID Connect", () => {
  test("makes the user of its sub, whichever of our clients it is for; the keys are found once", async () => {
    const sub = subject("sub");
    const first = await enter({ provider: "oidc", idToken: oidc.token(sub) });
    const again = await enter({ provider: "oidc", idToken: oidc.token(sub, { aud: ["x", "our-other-client"] }) });
    expect([first.created, again.created, again.userId]).toEqual([true, false, first.userId]);
    expect(await refused(enter({ provider: "oidc", idToken: oidc.token(sub), externalUserId: "other" }))).toEqual(
      wrong,
    );
    const asked = oidc.requests.map(({ path }) => path);
    expect(asked.filter((path) => path === "/.well-known/openid-configuration")).toHaveLength(1);
    expect(await refused(enter({ provider: "oidc" }))).toEqual(missing("id_token"));
  });

  test("that is anything but good gets one answer", async () => {
    const now = Math.floor(Date.now() / 1000);
    const { privateKey } = keyPair("rsa");
    const claims = { iss: oidc.issuer, aud: "our-client", sub: "tom", iat: now, exp: now + 60 };
    const bad: Record<string, string> = {
      "no token": "x",
      "of another issuer": oidc.token("tom", { iss: "https://evil.example" }),
      "for another client": oidc.token("tom", { aud: "another" }),
      "for nobody": oidc.token("tom", { aud: undefined }),
      expired: oidc.token("tom", { exp: now - 1 }),
      "without an end": oidc.token("tom", { exp: undefined }),
      "made in the future": oidc.token("tom", { iat: now + 120 }),
      "not good yet": oidc.token("tom", { nbf: now + 120 }),
      "of nobody": oidc.token("", {}),
      "of somebody too long": oidc.token("x".repeat(257)),
      unsigned: jwt({ alg: "none" }, claims, unsigned),
      "signed by a shared secret": jwt({ alg: "HS256", kid: "k1" }, claims, hs256(oidc.url)),
      "signed by another key": jwt({ alg: "RS256", kid: "k1" }, claims, rs256(privateKey)),
      "of a key that is not there": oidc.token("tom", {}, { kid: "k2" }),
    };
    for (const [what, idToken] of Object.entries(bad))
      expect(await refused(enter({ provider: "oidc", idToken })), what).toEqual(wrong);
  });

  test("with a nonce opens one session, when the client knows what it was made from", async () => {
    const strict = (sub: string, nonce: string | undefined, raw?: string) =>
      enter({
        provider: "strict",
        idToken: oidc.token(sub, { nonce }),
        ...(raw === undefined ? {} : { extra: { nonce: raw } }),
      });
    const hashed = createHash("sha256").update("n-1").digest("hex");
    const tries = await Promise.allSettled(count(4).map(() => strict("a", "n-0", "n-0")));
    expect(tries.filter((one) => one.status === "fulfilled")).toHaveLength(1);
    expect((await strict("b", hashed, "n-1")).created).toBe(true);
    expect(await refused(strict("b", hashed, "n-1"))).toEqual(wrong);
    expect(await refused(strict("a", undefined, "n-2"))).toEqual(wrong);
    expect(await refused(strict("a", "n-3"))).toEqual(wrong);
    expect(await refused(strict("a", "n-4", "n-5"))).toEqual(wrong);
    expect((await strict("a", "n-4", "n-4")).created).toBe(false);
  });

  test("is put off while the provider does not give its keys, or speaks for another", async () => {
    const other = await otherApp(server);
    const fake = await httpFake(() => ({ status: 503 }));
    await set(other, [{ name: "o", kind: oidcKind(), baseUrl: fake.url }]);
    const login = () => enter({ provider: "o", idToken: oidc.token("tom") }, other);
    expect(await refused(login())).toEqual(busy);
    for (const body of [
      { issuer: "https://evil.example", jwks_uri: `${oidc.url}/keys` },
      { issuer: oidc.issuer },
      { issuer: oidc.issuer, jwks_uri: "http://10.0.0.1/keys" },
    ]) {
      fake.answer = () => ({ body });
      expect(await refused(login())).toEqual(busy);
    }
    // What failed is tried again by the next one.
    fake.answer = () => ({ body: { issuer: oidc.issuer, jwks_uri: `${oidc.url}/keys` } });
    expect((await login()).created).toBe(true);
    fake.close();
  });
});

describe("the providers of an app", () => {
  test("are its own, replaced whole, and listed as they were set", async () => {
    const app = await otherApp(server);
    const { admin } = backend(app);
    expect((await admin.listOauthProviders({})).providers).toEqual([]);
    const off = { code: "PermissionDenied", reason: "LOGIN_DISABLED", field: "oauth.provider" };
    const uid = number();
    const one = { provider: "weibo", accessToken: grant(weibo, uid, "1352222456") };
    expect(await refused(enter(one, app))).toEqual(off);
    const weiboOurs: Provider = {
      name: "weibo",
      kind: { case: "weibo", value: { clientId: "1352222456" } },
      baseUrl: weibo.url,
    };
    await set(app, [{ name: "a", kind: { case: "qq", value: { clientId: "1" } } }, weiboOurs]);
    const { providers } = await admin.listOauthProviders({});
    expect(providers.map(({ name, kind, baseUrl }) => [name, kind.case, baseUrl])).toEqual([
      ["a", "qq", ""],
      ["weibo", "weibo", weibo.url],
    ]);
    const there = await enter(one, app);
    expect((await enter(one)).userId).not.toBe(there.userId);
    await set(app, []);
    expect(await refused(enter(one, app))).toEqual(off);
    await set(app, [weiboOurs]);
    expect(await enter(one, app)).toMatchObject({ userId: there.userId, created: false });
  });

  test("must have public addresses and names of their own, and be 10 at most", async () => {
    const app = await otherApp(server);
    const qqAt = (name: string, baseUrl = ""): Provider => ({
      name,
      kind: { case: "qq", value: { clientId: "1" } },
      baseUrl,
    });
    const oidcAt = (value: object): Provider => ({
      name: "o",
      kind: { case: "oidc", value: { issuer: "https://id.example.org", audiences: ["a"], ...value } },
    });
    const invalid = (field: string) => ({ code: "InvalidArgument", reason: "INVALID_FIELD", field });
    for (const [providers, field] of [
      [[qqAt("a", "https://10.0.0.1/")], "providers[0].base_url"],
      [[qqAt("a", "http://example.org/")], "providers[0].base_url"],
      [[qqAt("a", "https://example.org/?x=1")], "providers[0].base_url"],
      [[oidcAt({ issuer: "accounts.google.com" })], "providers[0].oidc.issuer"],
      [[oidcAt({ issuer: "https://192.168.0.1" })], "providers[0].oidc.issuer"],
      [[oidcAt({ jwksUrl: "https://169.254.169.254/" })], "providers[0].oidc.jwks_url"],
      [[qqAt("a"), qqAt("b"), qqAt("a")], "providers[2].name"],
      [[qqAt("A")], "providers[0].name"],
    ] as const)
      expect(await refused(set(app, [...providers])), field).toEqual(invalid(field));
    await set(app, [oidcAt({ issuer: "accounts.google.com", jwksUrl: "https://www.googleapis.com/oauth2/v3/certs" })]);
    await set(
      app,
      count(10).map((at) => qqAt(`p${at}`)),
    );
    expect(
      await refused(
        set(
          app,
          count(11).map((at) => qqAt(`p${at}`)),
        ),
      ),
    ).toMatchObject({ field: "providers" });
  });

  test("are not asked without end for one address", async () => {
    const own = tempFolder();
    const settings = { privateFetch: ["127.0.0.1"], trustedProxies: ["127.0.0.1"], dataDir: own.path };
    const one = await startTestServer({ settings, limits: { loginTries: 1 } });
    await set(one, [{ name: "qq", kind: { case: "qq", value: { clientId: "1" } }, baseUrl: qq.url }]);
    const begin = qq.requests.length;
    const statuses = [];
    for (const at of count(12)) {
      const { status } = await fetch(`${one.url}/parley.v1.AuthService/Login`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-forwarded-for": "203.0.113.7" },
        body: JSON.stringify({
          appId: one.appId,
          clientKey: one.clientKey,
          oauth: { provider: "qq", accessToken: `guess ${at}` },
        }),
      });
      statuses.push(status);
    }
    expect(statuses).toEqual([...count(10).map(() => 401), 429, 429]);
    expect(qq.requests).toHaveLength(begin + 10);
    await one.close();
    own[Symbol.dispose]();
  });
});
