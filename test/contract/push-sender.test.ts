import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../server/src/ops/clock.js";
import { createLogger } from "../../server/src/ops/logger.js";
import type { Push, PushCredentials, PushOutcome, PushSender, PushTarget } from "../../server/src/ports.js";
import { createPushSender, type PushSenderOptions } from "../../server/src/push/sender.js";
import { type PushSecret, putPushCredential } from "../../server/src/store/push-credentials.js";
import { apnsError, type FakeApns, startFakeApns } from "../support/fake-apns.js";
import { fakeClock } from "../support/fake-clock.js";
import { type FakeFcm, fcmBadToken, fcmError, startFakeFcm } from "../support/fake-fcm.js";
import type { ProviderAnswer } from "../support/fake-provider.js";
import { eventually } from "../support/index.js";
import { count, must } from "../support/messaging.js";
import { freePort } from "../support/process-server.js";
import { makePushKeys, type PushKeys, TOPIC } from "../support/push-keys.js";
import { type TempStore, tempStore } from "../support/temp-store.js";

const [APNS, FCM] = [1, 2];
const [BOTH, PRODUCTION, SANDBOX] = [0, 1, 2];
const TIMES = { pushMs: 10_000, pushIdleMs: 60_000 };
/** For a provider that never answers. */
const SHORT = { ...TIMES, pushMs: 2_000 };
/** What a busy machine may add to a time-out. */
const SLACK_MS = 2_000;

let keys: PushKeys;
let certificate: { key: string; cert: string };
let apns: FakeApns;
let fcm: FakeFcm;
let store: TempStore;
let sender: PushSender & PushCredentials;

beforeAll(async () => {
  keys = makePushKeys();
  certificate = keys.certificate();
});
afterAll(() => keys[Symbol.dispose]());
beforeEach(async () => {
  [apns, fcm, store] = await Promise.all([startFakeApns(keys), startFakeFcm(keys), tempStore()]);
  sender = await openSender();
});
afterEach(async () => {
  await sender.close();
  await Promise.all([apns.close(), fcm.close(), store[Symbol.asyncDispose]()]);
});

function openSender(options: Partial<PushSenderOptions> = {}) {
  return createPushSender({
    read: store.store.read,
    unseal: (sealed) => Buffer.from(sealed),
    clock: systemClock,
    logger: createLogger("silent"),
    limits: { pushAnswerBytes: 1_000 },
    times: TIMES,
    apnsUrl: apns.url,
    fcmUrl: fcm.url,
    ca: keys.ca,
    ...options,
  });
}

const secrets = {
  token: (): PushSecret => {
    const { keyP8: key, keyId, teamId } = keys.token;
    return { kind: "apns_token", key, keyId, teamId, topic: TOPIC };
  },
  certificate: (): PushSecret => {
    const { key, cert: certificates } = certificate;
    return { kind: "apns_certificate", key, certificates, topic: TOPIC };
  },
  fcm: (): PushSecret => {
    const { private_key: key } = JSON.parse(keys.account.json) as { private_key: string };
    return { kind: "fcm", key, keyId: "k", clientEmail: keys.account.email, projectId: keys.account.projectId };
  },
};

async function setCredential(secret: PushSecret, appId = "app", environment = BOTH): Promise<void> {
  const provider = secret.kind === "fcm" ? FCM : APNS;
  const facts = { kind: 1, fingerprint: "", topic: "", project_id: "", key_id: "", expire_ms: null, create_ms: 1 };
  const sealed = Buffer.from(JSON.stringify(secret));
  await store.committer.run(appId, async (tx) => {
    await putPushCredential(tx, { provider, environment, sealed, ...facts });
    tx.afterCommit(() => sender.set(appId, { provider, environment }));
  });
}

const TOKEN = "ab12".repeat(16);
const push = (more: Partial<Push> = {}): Push => ({
  pushId: "0b3a4f5e-8f0e-4b52-9b9f-0a9d1c2b3d4e",
  collapseId: "message-1",
  title: "Tom",
  body: "hello",
  sound: "default",
  badge: 3,
  contentAvailable: false,
  threadId: "d:jerry:tom",
  data: { v: 1, message_id: "message-1", seq: 7 },
  expireMs: Date.now() + 3_600_000,
  ...more,
});
const target = (provider: number, environment = PRODUCTION, token = TOKEN): PushTarget => ({
  provider,
  environment,
  token,
});

/** One implementation: its credential, and how its fake is scripted. */
interface Way {
  provider: number;
  secret: () => PushSecret;
  fake: () => { received: { atMs: number }[]; script(answer: () => ProviderAnswer): void };
}
const BY_TOKEN: Way = { provider: APNS, secret: secrets.token, fake: () => apns };
const BY_CERTIFICATE: Way = { provider: APNS, secret: secrets.certificate, fake: () => apns };
const BY_FCM: Way = { provider: FCM, secret: secrets.fcm, fake: () => fcm };
const WAYS = { "APNs by token": BY_TOKEN, "APNs by certificate": BY_CERTIFICATE, FCM: BY_FCM };

/** What providers answer, what that means, and for whom it is so. */
const SITUATIONS: readonly [what: string, ways: readonly Way[], answer: () => ProviderAnswer, outcome: object][] = [];
const APPLE = [BY_TOKEN, BY_CERTIFICATE];
const GOOGLE = [BY_FCM];
const situation = (
  what: string,
  ways: readonly Way[],
  answer: ProviderAnswer | (() => ProviderAnswer),
  outcome: object,
) => (SITUATIONS as unknown[]).push([what, ways, typeof answer === "function" ? answer : () => answer, outcome]);

const SINCE = 1_700_000_000_000;
const inTenSeconds = () => new Date(Date.now() + 10_000).toUTCString();
situation("it is taken", [...APPLE, ...GOOGLE], { status: 200 }, { kind: "sent", status: 200 });
situation("the app is gone from the phone, as of a time", APPLE, apnsError(410, "Unregistered", { timestamp: SINCE }), {
  kind: "dead_token",
  status: 410,
  reason: "Unregistered",
  sinceMs: SINCE,
});
situation("the app is gone from the phone", GOOGLE, fcmError(404, "NOT_FOUND", "UNREGISTERED"), {
  kind: "dead_token",
  status: 404,
  reason: "UNREGISTERED",
});
for (const reason of ["BadDeviceToken", "DeviceTokenNotForTopic"])
  situation(`the token is wrong: ${reason}`, APPLE, apnsError(400, reason), {
    kind: "dead_token",
    status: 400,
    reason,
  });
situation("the token is wrong", GOOGLE, fcmBadToken, { kind: "dead_token", status: 400, reason: "INVALID_ARGUMENT" });
situation("the token is another sender's", GOOGLE, fcmError(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), {
  kind: "dead_token",
  reason: "SENDER_ID_MISMATCH",
});
situation("too many, come back in 7 s", APPLE, apnsError(429, "TooManyRequests", {}, { "retry-after": "7" }), {
  kind: "later",
  status: 429,
  reason: "TooManyRequests",
  delayMs: 7_000,
});
situation(
  "too many, come back in 7 s",
  GOOGLE,
  fcmError(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", { "retry-after": "7" }),
  { kind: "later", status: 429, reason: "QUOTA_EXCEEDED", delayMs: 7_000 },
);
situation(
  "it is shutting down, come back at a time",
  APPLE,
  () => apnsError(503, "Shutdown", {}, { "retry-after": inTenSeconds() }),
  {
    kind: "later",
    status: 503,
    reason: "Shutdown",
    delayMs: expect.toSatisfy((ms: number) => ms > 5_000 && ms < 11_000),
  },
);
situation("it is not available", GOOGLE, fcmError(503, "UNAVAILABLE", "UNAVAILABLE"), {
  kind: "later",
  status: 503,
  reason: "UNAVAILABLE",
});
situation("it failed", APPLE, apnsError(500, "InternalServerError"), { kind: "later", status: 500 });
situation("it failed", GOOGLE, fcmError(500, "INTERNAL", "INTERNAL"), { kind: "later", reason: "INTERNAL" });
situation(
  "a gateway answers in HTML",
  [...APPLE, ...GOOGLE],
  { status: 502, body: "<html>bad gateway</html>" },
  {
    kind: "later",
    status: 502,
    reason: "HTTP 502",
  },
);
situation("an answer without a word", [...APPLE, ...GOOGLE], { status: 504 }, { kind: "later", status: 504 });
situation("something in between knows no such page", GOOGLE, { status: 404, body: "not here" }, { kind: "later" });
situation("an answer without end", [...APPLE, ...GOOGLE], "endless", {
  kind: "refused",
  status: 400,
  reason: "HTTP 400",
});
situation("a push that is too large", APPLE, apnsError(413, "PayloadTooLarge"), {
  kind: "refused",
  status: 413,
  reason: "PayloadTooLarge",
});
situation("a push that is wrong", APPLE, apnsError(400, "BadCollapseId"), { kind: "refused", reason: "BadCollapseId" });
situation("a push that is wrong", GOOGLE, fcmError(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), {
  kind: "refused",
  status: 400,
  reason: "INVALID_ARGUMENT",
});
situation("a refusal that nobody knows", APPLE, apnsError(418, "Teapot"), { kind: "refused", reason: "Teapot" });
situation("a refusal that nobody knows", GOOGLE, fcmError(418, "TEAPOT"), { kind: "refused", reason: "TEAPOT" });
for (const [status, reason] of [
  [403, "InvalidProviderToken"],
  [403, "BadCertificate"],
  [400, "TopicDisallowed"],
] as const)
  situation(`the credential is wrong: ${reason}`, APPLE, apnsError(status, reason), {
    kind: "no_credential",
    status,
    reason,
  });
situation("the credential is wrong", GOOGLE, fcmError(403, "PERMISSION_DENIED"), {
  kind: "no_credential",
  status: 403,
  reason: "PERMISSION_DENIED",
});
situation("Apple does not take Google's word", GOOGLE, fcmError(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), {
  kind: "no_credential",
  reason: "THIRD_PARTY_AUTH_ERROR",
});
situation("it hangs", [...APPLE, ...GOOGLE], "hang", { kind: "later", reason: "time-out" });
situation("it breaks the connection", [...APPLE, ...GOOGLE], "reset", { kind: "later" });
situation("it goes away in the middle", APPLE, "goaway", { kind: "later" });

describe.each(Object.entries(WAYS))("%s", (_name, way) => {
  beforeEach(() => setCredential(way.secret()));
  const send = () => sender.send("app", target(way.provider), push());

  test.each(SITUATIONS.filter(([, ways]) => ways.includes(way)))("%s", async (_what, _ways, answer, outcome) => {
    const times = answer() === "hang" ? SHORT : TIMES;
    sender = await openSender({ times });
    // The connection is there already, as it mostly is.
    expect(await send()).toMatchObject({ kind: "sent" });
    way.fake().script(answer);
    const beganMs = performance.now();
    expect(await send()).toEqual(expect.objectContaining(outcome));
    expect(performance.now() - beganMs).toBeLessThan(times.pushMs + SLACK_MS);
    expect(way.fake().received).toHaveLength(2);
    way.fake().script(() => ({ status: 200 }));
    expect(await send()).toEqual({ kind: "sent", status: 200 });
    expect(way.fake().received).toHaveLength(3);
  });

  test("many at once share what is open, and one that hangs takes none of them with it", async () => {
    sender = await openSender({ times: { ...TIMES, pushMs: 4_000 } });
    way.fake().script(() => (way.fake().received.length === 20 ? "hang" : { status: 200 }));
    const outcomes = await Promise.all(count(50).map(() => send()));
    expect(outcomes.filter(({ kind }) => kind === "sent")).toHaveLength(49);
    expect(outcomes.filter(({ kind }) => kind === "later")).toHaveLength(1);
    if (way !== BY_FCM) expect(new Set(apns.received.map(({ connection }) => connection)).size).toBe(1);
    else expect(fcm.grants).toBe(1);
  });

  test("nobody is there: later", async () => {
    const port = await freePort();
    const nowhere = await openSender({
      apnsUrl: new URL(`https://127.0.0.1:${port}`),
      fcmUrl: new URL(`http://127.0.0.1:${port}`),
    });
    expect(await nowhere.send("app", target(way.provider), push())).toEqual({ kind: "later", reason: "ECONNREFUSED" });
    await nowhere.close();
  });

  test("a close answers what is under way", async () => {
    way.fake().script(() => "hang");
    const slow = await openSender({ times: { ...TIMES, pushMs: 60_000 } });
    const pending = slow.send("app", target(way.provider), push());
    await eventually(() => expect(way.fake().received).toHaveLength(1));
    await slow.close();
    expect(await pending).toEqual({ kind: "later", reason: "closed" });
    expect(await slow.send("app", target(way.provider), push())).toMatchObject({ kind: "later" });
  });
});

test("a hung provider of one app holds up no other app", async () => {
  await setCredential(secrets.token(), "slow");
  await setCredential(secrets.token(), "quick");
  const slow = await openSender({ times: { ...TIMES, pushMs: 5_000 } });
  apns.script(({ token }) => (token === "hangs" ? "hang" : { status: 200 }));
  const hung = count(100).map(() => slow.send("slow", target(APNS, PRODUCTION, "hangs"), push()));
  await eventually(() => expect(apns.received.length).toBeGreaterThan(50));
  const beganMs = performance.now();
  expect(await slow.send("quick", target(APNS), push())).toMatchObject({ kind: "sent" });
  expect(performance.now() - beganMs).toBeLessThan(SLACK_MS);
  await slow.close();
  expect((await Promise.all(hung)).every(({ kind }) => kind === "later")).toBe(true);
});

describe("APNs", () => {
  test("gets the whole push, at the host of its environment", async () => {
    await setCredential(secrets.token());
    const sent = push({ contentAvailable: true });
    await sender.send("app", target(APNS), sent);
    await sender.send("app", target(APNS, SANDBOX), sent);
    expect(apns.received.map(({ authority }) => authority)).toEqual([
      "api.push.apple.com",
      "api.sandbox.push.apple.com",
    ]);
    expect(apns.received[0]).toMatchObject({
      token: TOKEN,
      topic: TOPIC,
      pushId: sent.pushId,
      collapseId: "message-1",
      pushType: "alert",
      priority: "10",
      expiration: String(Math.floor(sent.expireMs / 1000)),
      by: { kind: "token", keyId: keys.token.keyId, teamId: keys.token.teamId },
      payload: {
        aps: {
          alert: { title: "Tom", body: "hello" },
          badge: 3,
          sound: "default",
          "thread-id": "d:jerry:tom",
          "content-available": 1,
        },
        parley: sent.data,
      },
    });
  });

  test("by certificate it asks as the app of the certificate", async () => {
    await setCredential(secrets.certificate());
    await sender.send("app", target(APNS), push());
    expect(must(apns.received[0]).by).toEqual({ kind: "certificate", uid: TOPIC });
  });

  test("a push without words only wakes the app", async () => {
    await setCredential(secrets.token());
    await sender.send("app", target(APNS), push({ title: "", body: "", contentAvailable: true }));
    expect(apns.received[0]).toMatchObject({ pushType: "background", priority: "5" });
    expect(must(apns.received[0]).payload.aps).toEqual({ "thread-id": "d:jerry:tom", "content-available": 1 });
  });

  test("what no header or path can carry is kept out of it", async () => {
    await setCredential(secrets.token());
    const ids = ["消息".repeat(10), "two\nlines", "x".repeat(65), "x".repeat(64)];
    for (const collapseId of ids)
      expect(await sender.send("app", target(APNS), push({ collapseId }))).toMatchObject({ kind: "sent" });
    const got = apns.received.map(({ collapseId }) => collapseId);
    expect(new Set(got).size).toBe(4);
    for (const id of got) expect(id).toMatch(/^[\x21-\x7e]{1,64}$/);
    expect(got[3]).toBe(ids[3]);
    for (const token of ["../../other", "a/b", "a?b", "ü", "x\r\ny", "a".repeat(513)])
      expect(await sender.send("app", target(APNS, PRODUCTION, token), push())).toEqual({
        kind: "dead_token",
        reason: "BadDeviceToken",
      });
    expect(apns.received).toHaveLength(4);
  });

  test("a token of ours that has expired is renewed and the push tried once more at once", async () => {
    await setCredential(secrets.token());
    const jwts = () => apns.received.map(({ by }) => (by?.kind === "token" ? by.jwt : ""));
    apns.script(() => (apns.received.length === 1 ? apnsError(403, "ExpiredProviderToken") : { status: 200 }));
    expect(await sender.send("app", target(APNS), push())).toEqual({ kind: "sent", status: 200 });
    expect(new Set(jwts()).size).toBe(2);
    apns.script(() => apnsError(403, "ExpiredProviderToken"));
    expect(await sender.send("app", target(APNS), push())).toMatchObject({
      kind: "later",
      reason: "ExpiredProviderToken",
    });
    expect(apns.received).toHaveLength(4);
  });

  test("goes on through a provider that goes away every 10 pushes", async () => {
    await setCredential(secrets.token());
    apns.script(() => (apns.received.length % 10 === 0 ? "goaway" : { status: 200 }));
    const outcomes: PushOutcome[] = [];
    for (const _ of count(60)) outcomes.push(await sender.send("app", target(APNS), push()));
    expect(apns.received).toHaveLength(60);
    expect(outcomes.filter(({ kind }) => kind === "later")).toHaveLength(6);
    expect(outcomes.filter(({ kind }) => kind === "sent")).toHaveLength(54);
  });

  test("a connection on which nothing is answered any more is replaced, once for all who wait", async () => {
    const clock = fakeClock(Date.now());
    sender = await openSender({ clock });
    await setCredential(secrets.token());
    const send = () => sender.send("app", target(APNS), push());
    const hang = async () => {
      const [before, hung] = [apns.received.length, count(10).map(send)];
      await eventually(() => expect(apns.received).toHaveLength(before + 10));
      return Promise.all(hung);
    };
    apns.script(() => "hang");
    const early = hang();
    await eventually(() => expect(apns.received).toHaveLength(10));
    clock.advance(TIMES.pushMs / 2);
    const late = hang();
    await eventually(() => expect(apns.received).toHaveLength(20));
    clock.advance(TIMES.pushMs / 2);
    expect(await early).toEqual(count(10).map(() => ({ kind: "later", reason: "time-out" })));
    apns.script(() => ({ status: 200 }));
    expect(await send()).toMatchObject({ kind: "sent" });
    // These waited on the old one: the new one is none of their business.
    clock.advance(TIMES.pushMs / 2);
    expect(await late).toEqual(count(10).map(() => ({ kind: "later", reason: "time-out" })));
    expect(await send()).toMatchObject({ kind: "sent" });
    const used = apns.received.map(({ connection }) => connection);
    expect(used).toEqual([...count(20).map(() => 1), 2, 2]);
  });

  test("a server of whom no authority knows is not trusted", async () => {
    await setCredential(secrets.token());
    const strict = await openSender({ ca: undefined });
    expect(await strict.send("app", target(APNS), push())).toMatchObject({
      kind: "later",
      reason: expect.stringMatching(/CERT|SIGNATURE/),
    });
    expect(apns.received).toHaveLength(0);
    await strict.close();
  });
});

describe("FCM", () => {
  test("gets the whole push, with data in strings", async () => {
    await setCredential(secrets.fcm());
    const sent = push();
    await sender.send("app", target(FCM), sent);
    const { projectId, message } = must(fcm.received[0]);
    expect(projectId).toBe("project-one");
    expect(message).toEqual({
      token: TOKEN,
      notification: { title: "Tom", body: "hello" },
      data: { parley: JSON.stringify(sent.data) },
      android: {
        collapse_key: "message-1",
        priority: "HIGH",
        ttl: expect.stringMatching(/^3(600|59\d)s$/),
        notification: { tag: "message-1", notification_count: 3, sound: "default" },
      },
    });
  });

  test("an access token is kept while it lasts, and asked for anew when it does not", async () => {
    const clock = fakeClock(Date.now());
    sender = await openSender({ clock, times: { ...TIMES, pushIdleMs: 7_200_000 } });
    await setCredential(secrets.fcm());
    const send = () => sender.send("app", target(FCM), push({ expireMs: clock.now() + 1000 }));
    await send();
    clock.advance(3_500_000);
    await send();
    expect(fcm.grants).toBe(1);
    clock.advance(60_000);
    await send();
    expect(fcm.grants).toBe(2);
    fcm.revoke();
    expect(await send()).toMatchObject({ kind: "sent" });
    expect([fcm.grants, fcm.received.length]).toEqual([3, 5]);
  });

  test("an access token that was taken back is asked for anew once, by all who used it", async () => {
    await setCredential(secrets.fcm());
    await sender.send("app", target(FCM), push());
    fcm.revoke();
    const outcomes = await Promise.all(count(20).map(() => sender.send("app", target(FCM), push())));
    expect(outcomes.every(({ kind }) => kind === "sent")).toBe(true);
    expect(fcm.grants).toBe(2);
  });

  test.each([
    ["refused", { status: 400, body: { error: "invalid_grant" } }, { kind: "no_credential", reason: "invalid_grant" }],
    ["busy", { status: 503, headers: { "retry-after": "3" } }, { kind: "later", status: 503, delayMs: 3_000 }],
    ["silent", "hang", { kind: "later", reason: "time-out" }],
  ] as const)("without an access token, which is %s, nothing is sent", async (_what, answer, outcome) => {
    sender = await openSender({ times: SHORT });
    await setCredential(secrets.fcm());
    fcm.scriptGrants(() => answer as ProviderAnswer);
    expect(await sender.send("app", target(FCM), push())).toMatchObject(outcome);
    expect(fcm.received).toHaveLength(0);
    fcm.scriptGrants(() => undefined);
    expect(await sender.send("app", target(FCM), push())).toMatchObject({ kind: "sent" });
  });
});

describe("the credentials of an app", () => {
  test("say from memory whether it can push, after a start too", async () => {
    expect(sender.canPush("app")).toBe(false);
    expect(await sender.send("app", target(APNS), push())).toMatchObject({ kind: "no_credential" });
    await setCredential(secrets.token());
    expect([sender.canPush("app"), sender.canPush("other")]).toEqual([true, false]);
    expect(await sender.send("app", target(FCM), push())).toMatchObject({ kind: "no_credential" });
    const next = await openSender();
    expect(next.canPush("app")).toBe(true);
    await next.close();
    sender.remove("app", { provider: APNS, environment: BOTH });
    expect(sender.canPush("app")).toBe(false);
    expect(await sender.send("app", target(APNS), push())).toMatchObject({ kind: "no_credential" });
  });

  test("of one environment go before those of both", async () => {
    await setCredential(secrets.token());
    await setCredential({ ...secrets.token(), topic: "com.example.sandbox" } as PushSecret, "app", SANDBOX);
    await sender.send("app", target(APNS), push());
    await sender.send("app", target(APNS, SANDBOX), push());
    expect(apns.received.map(({ topic }) => topic)).toEqual([TOPIC, "com.example.sandbox"]);
  });

  test("are the new ones from the next push on, and what is under way is still answered", async () => {
    sender = await openSender({ times: SHORT });
    await setCredential(secrets.token());
    apns.script(() => (apns.received.length === 1 ? "hang" : { status: 200 }));
    const pending = sender.send("app", target(APNS), push());
    await eventually(() => expect(apns.received).toHaveLength(1));
    await setCredential(secrets.certificate());
    await sender.send("app", target(APNS), push());
    expect(apns.received.map(({ by }) => by?.kind)).toEqual(["token", "certificate"]);
    expect(await pending).toEqual({ kind: "later", reason: "time-out" });
  });

  test("that cannot be opened are told, and tried again by the next push", async () => {
    let broken = true;
    const unseal = (sealed: Uint8Array) => {
      if (broken) throw new Error("another key");
      return Buffer.from(sealed);
    };
    await setCredential(secrets.token());
    const other = await openSender({ unseal });
    expect(await other.send("app", target(APNS), push())).toMatchObject({ kind: "no_credential" });
    broken = false;
    expect(await other.send("app", target(APNS), push())).toMatchObject({ kind: "sent" });
    await other.close();
  });

  test("hold no connection open that has not been used for long", async () => {
    const clock = fakeClock(Date.now());
    sender = await openSender({ clock });
    await setCredential(secrets.token());
    await sender.send("app", target(APNS), push());
    clock.advance(TIMES.pushIdleMs - 1);
    await sender.send("app", target(APNS), push());
    clock.advance(TIMES.pushIdleMs - 1);
    await sender.send("app", target(APNS), push());
    expect(apns.connections).toBe(1);
    expect(new Set(apns.received.map(({ connection }) => connection)).size).toBe(1);
    clock.advance(TIMES.pushIdleMs);
    await eventually(() => expect(apns.connections).toBe(0));
    expect(await sender.send("app", target(APNS), push())).toMatchObject({ kind: "sent" });
  });
});
