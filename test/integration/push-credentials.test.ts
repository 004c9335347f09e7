import { execFileSync } from "node:child_process";
import { createHash, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { SetPushCredentialRequestSchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import { Platform, PushEnvironment, PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
import { PushCredentialKind } from "@parley/proto/parley/v1/push_credential_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandResult, parley, parleyProcess } from "../support/command.js";
import { apnsError, type FakeApns, startFakeApns } from "../support/fake-apns.js";
import { fakeClock } from "../support/fake-clock.js";
import { type FakeFcm, startFakeFcm } from "../support/fake-fcm.js";
import { backend, eventually, newUser, refusal, startTestServer, type TestServer } from "../support/index.js";
import { type Init, must, otherApp, say, toUser } from "../support/messaging.js";
import { freePort, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { newPhone } from "../support/push.js";
import { makePushKeys, type P12Options, type PushKeys, TOPIC } from "../support/push-keys.js";
import { tempFolder } from "../support/temp-store.js";

const { UNSPECIFIED, PRODUCTION, SANDBOX } = PushEnvironment;
const { APNS, FCM } = PushProvider;
type Request = Init<typeof SetPushCredentialRequestSchema>;

let keys: PushKeys;
let apns: FakeApns;
let fcm: FakeFcm;
let server: TestServer;
beforeAll(async () => {
  keys = makePushKeys();
  [apns, fcm] = await Promise.all([startFakeApns(keys), startFakeFcm(keys)]);
  const settings = { apnsUrl: apns.url, fcmUrl: fcm.url };
  server = await startTestServer({ settings, pushCa: keys.ca, times: { p12ReadMs: 20_000 } });
});
afterAll(async () => {
  await server.close();
  await Promise.all([apns.close(), fcm.close()]);
  keys[Symbol.dispose]();
});

const byToken = (more: object = {}): Request["credential"] => {
  const { keyP8, keyId, teamId } = keys.token;
  return { case: "apnsToken", value: { keyP8, keyId, teamId, topic: TOPIC, ...more } };
};
const byCertificate = (p12: Uint8Array, password = "", topic = ""): Request["credential"] => ({
  case: "apnsCertificate",
  value: { p12: new Uint8Array(p12), password, topic },
});
const byAccount = (serviceAccountJson: string): Request["credential"] => ({
  case: "fcm",
  value: { serviceAccountJson },
});
const account = (more: object) => JSON.stringify({ ...(JSON.parse(keys.account.json) as object), ...more });

/** Sets a credential in an app, and gives it as it is told. */
async function set(app: TestServer, credential: Request["credential"], environment = UNSPECIFIED) {
  const request = { credential, environment } as Request;
  return must((await backend(app).admin.setPushCredential(request)).credential);
}
/** The refusal of a credential, as its field and words. */
async function refused(credential: Request["credential"], environment = UNSPECIFIED): Promise<[string, string]> {
  const { reason, field, message } = await refusal(set(server, credential, environment));
  expect(reason).toBe("INVALID_FIELD");
  return [field, message];
}

describe("a token key of Apple", () => {
  test("is told by its ids and its fingerprint, and serves both environments", async () => {
    const app = await otherApp(server);
    const credential = await set(app, byToken());
    const spki = keys.token.publicKey.export({ type: "spki", format: "der" });
    expect(credential).toMatchObject({
      provider: APNS,
      environment: UNSPECIFIED,
      kind: PushCredentialKind.APNS_TOKEN,
      fingerprint: createHash("sha256").update(spki).digest("hex"),
      topic: TOPIC,
      keyId: keys.token.keyId,
      projectId: "",
    });
    expect(credential.expireTime).toBeUndefined();
    expect((await backend(app).admin.listPushCredentials({})).credentials).toEqual([credential]);
  });

  test.each([
    ["another curve", () => pem(generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey)],
    ["another algorithm", () => pem(generateKeyPairSync("ed25519").privateKey)],
    ["a public key", () => keys.token.publicKey.export({ type: "spki", format: "pem" }).toString()],
    ["two keys", () => keys.token.keyP8.repeat(2)],
    ["a broken one", () => keys.token.keyP8.replace(/\n.{20}/, "\n")],
    ["no PEM", () => "a key"],
  ])("is a private key of P-256, and not %s", async (_what, keyP8) => {
    expect(await refused(byToken({ keyP8: keyP8() }))).toEqual(["apns_token.key_p8", expect.stringContaining("P-256")]);
  });

  test.each([
    ["key_id", { keyId: "ABCDE1234" }],
    ["key_id", { keyId: "ABCDE123456" }],
    ["team_id", { teamId: "abcde12345" }],
    ["topic", { topic: "" }],
    ["topic", { topic: "com.example/chat" }],
  ])("has a fitting %s", async (field, more) => {
    expect((await refused(byToken(more)))[0]).toBe(`apns_token.${field}`);
  });
});

describe("a certificate of Apple", () => {
  const file = (options: P12Options = {}) => keys.p12(options);

  test.each([
    ["modern", "secret", []],
    ["as Keychain exports it (RC2, 3DES)", "secret", ["-legacy"]],
    ["without a password", "", []],
    ["with letters beyond ASCII in its password", "pässwörd-密", []],
    ["without a seal", "secret", ["-nomac"]],
  ])("is read from a file: %s", async (_what, password, more) => {
    const app = await otherApp(server);
    const { expireTime, fingerprint, ...credential } = await set(
      app,
      byCertificate(file({ password, export: more }), password),
    );
    expect(credential).toMatchObject({
      kind: PushCredentialKind.APNS_CERTIFICATE,
      topic: TOPIC,
      environment: UNSPECIFIED,
    });
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(timestampMs(must(expireTime)) / 86_400_000).toBeCloseTo(Date.now() / 86_400_000 + 300, 0);
  });

  test("and a wrong password is told apart from a wrong file", async () => {
    const p12 = file({ password: "secret" });
    for (const password of ["", "Secret", "é"])
      expect(await refused(byCertificate(p12, password))).toEqual([
        "apns_certificate.password",
        "the password does not open the file",
      ]);
    for (const bad of [p12.subarray(0, 500), Buffer.from("no file"), Buffer.from(keys.certificate().cert)])
      expect(await refused(byCertificate(bad, "secret"))).toEqual([
        "apns_certificate.p12",
        expect.stringContaining(".p12"),
      ]);
  });

  test("in an encryption that nobody knows is answered with the command that changes it", async () => {
    const more = ["-keypbe", "camellia-128-cbc", "-certpbe", "camellia-128-cbc"];
    const [field, message] = await refused(byCertificate(file({ export: more })));
    expect(field).toBe("apns_certificate.p12");
    const command = message.slice(message.indexOf("openssl"));
    // It is one that works.
    using folder = tempFolder();
    writeFileSync(join(folder.path, "old.p12"), file({ export: more }));
    const shell = command
      .replaceAll("-in old.p12", "-in old.p12 -passin pass:")
      .replace("-export", "-export -passout pass:");
    execFileSync("sh", ["-c", shell], { cwd: folder.path, stdio: "ignore" });
    await set(await otherApp(server), byCertificate(readFileSync(join(folder.path, "new.p12"))));
  });

  test("comes with its own private key", async () => {
    using folder = tempFolder();
    const [one, other] = [keys.certificate(), keys.certificate({ ownKey: true })];
    const make = (text: string, ...args: string[]) => {
      writeFileSync(join(folder.path, "both.pem"), text);
      return execFileSync("openssl", ["pkcs12", "-export", "-in", "both.pem", "-passout", "pass:", ...args], {
        cwd: folder.path,
        stdio: ["ignore", "pipe", "ignore"],
      });
    };
    const field = "apns_certificate.p12";
    expect(await refused(byCertificate(make(one.cert, "-nokeys")))).toEqual([
      field,
      expect.stringContaining("no private key"),
    ]);
    expect(await refused(byCertificate(make(one.key, "-nocerts")))).toEqual([
      field,
      expect.stringContaining("no certificate"),
    ]);
    // With others beside it, wherever they stand.
    const credential = await set(await otherApp(server), byCertificate(make(other.cert + one.cert + one.key)));
    expect(credential.fingerprint).toBe(new X509Certificate(one.cert).fingerprint256.replaceAll(":", "").toLowerCase());
  });

  test("which is not of the key beside it is refused", async () => {
    // No program makes such a file, so one certificate is put in the place of another that is as long.
    const plain = ["-keypbe", "NONE", "-certpbe", "NONE", "-nomac"];
    const p12 = file({ export: plain });
    const derOf = (cert: string) => new X509Certificate(cert).raw;
    const own = derOf(certificateIn(p12));
    let other = derOf(keys.certificate({ ownKey: true }).cert);
    while (other.length !== own.length) other = derOf(keys.certificate({ ownKey: true }).cert);
    const at = p12.indexOf(own);
    const mixed = Buffer.concat([p12.subarray(0, at), other, p12.subarray(at + own.length)]);
    expect(await refused(byCertificate(mixed))).toEqual([
      "apns_certificate.p12",
      expect.stringContaining("of the private key"),
    ]);
    await set(await otherApp(server), byCertificate(p12));
  });

  test("is at most 64 KiB", async () => {
    expect((await refused(byCertificate(Buffer.alloc(65_536))))[0]).toBe("apns_certificate.p12");
    expect(await refusal(set(server, byCertificate(Buffer.alloc(65_537))))).toMatchObject({
      reason: "TOO_LARGE",
      field: "apns_certificate.p12",
      detail: { metadata: { limit: "65536" } },
    });
  });

  test("has not expired, to the second", async () => {
    const p12 = file({ days: 1 });
    const clock = fakeClock(Date.now());
    const there = await startTestServer({ clock, times: { p12ReadMs: 20_000 }, limits: { changeBurst: 1e6 } });
    const { expireTime } = await set(there, byCertificate(p12));
    clock.setWall(timestampMs(must(expireTime)) - 1);
    await set(there, byCertificate(p12));
    clock.setWall(timestampMs(must(expireTime)));
    expect(await refusal(set(there, byCertificate(p12)))).toMatchObject({
      field: "apns_certificate.p12",
      message: expect.stringContaining("expired at"),
    });
    clock.setWall(Date.now() - 86_400_000);
    expect(await refusal(set(there, byCertificate(p12)))).toMatchObject({
      message: expect.stringContaining("not valid before"),
    });
    await there.close();
  });

  test("is for the environments that Apple says it is for", async () => {
    const production = file({ environments: ["production"] });
    const sandbox = file({ environments: ["sandbox"] });
    const app = await otherApp(server);
    expect((await set(app, byCertificate(production))).environment).toBe(PRODUCTION);
    expect((await set(app, byCertificate(sandbox))).environment).toBe(SANDBOX);
    expect((await set(app, byCertificate(production), PRODUCTION)).environment).toBe(PRODUCTION);
    expect((await set(app, byCertificate(file()), SANDBOX)).environment).toBe(SANDBOX);
    expect(
      (await backend(app).admin.listPushCredentials({})).credentials.map(({ environment }) => environment),
    ).toEqual([PRODUCTION, SANDBOX]);
    expect((await refused(byCertificate(production), SANDBOX))[0]).toBe("environment");
    expect((await refused(byCertificate(sandbox), PRODUCTION))[0]).toBe("environment");
    expect(await refused(byCertificate(file({ environments: [] })))).toEqual([
      "apns_certificate.p12",
      expect.stringContaining("not one for pushes"),
    ]);
  });

  test("is for the topics that it names", async () => {
    const app = await otherApp(server);
    const p12 = file({ topics: [TOPIC, `${TOPIC}.voip`] });
    expect((await set(app, byCertificate(p12))).topic).toBe(TOPIC);
    expect((await set(app, byCertificate(p12, "", `${TOPIC}.voip`))).topic).toBe(`${TOPIC}.voip`);
    // What a topic is for is no topic.
    for (const topic of ["com.example.other", "app"])
      expect(await refused(byCertificate(p12, "", topic))).toEqual([
        "apns_certificate.topic",
        expect.stringContaining(TOPIC),
      ]);
    const silent = file({ uid: "" });
    expect((await refused(byCertificate(silent)))[0]).toBe("apns_certificate.topic");
    expect((await set(app, byCertificate(silent, "", "com.example.given"))).topic).toBe("com.example.given");
  });

  test("whose encryption takes for ever holds up nobody", async () => {
    const there = await startTestServer({ times: { p12ReadMs: 300 } });
    const p12 = file({ export: ["-iter", "300000"] });
    const beganMs = performance.now();
    const slow = refusal(set(there, byCertificate(p12)));
    const tom = await newUser(there);
    await tom.rpc.user.getUser({ userId: tom.userId });
    expect(await slow).toMatchObject({ field: "apns_certificate.p12", message: expect.stringContaining("too long") });
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    await there.close();
  });
});

describe("a service account of Google", () => {
  test("is told by its project and key", async () => {
    const credential = await set(await otherApp(server), byAccount(keys.account.json));
    expect(credential).toMatchObject({
      provider: FCM,
      environment: UNSPECIFIED,
      kind: PushCredentialKind.FCM,
      projectId: "project-one",
      keyId: "0123456789abcdef",
      topic: "",
    });
  });

  test.each([
    ["JSON", () => "{", "not the JSON"],
    ["an object", () => '"text"', "not the JSON"],
    ["of a service account", () => account({ type: "authorized_user" }), "type"],
    ["with a project", () => account({ project_id: undefined }), "project_id"],
    ["with a project that fits into a path", () => account({ project_id: "../x" }), "project_id"],
    ["with an address", () => account({ client_email: 7 }), "client_email"],
    ["with a key", () => account({ private_key: "" }), "private_key"],
    ["with an RSA key", () => account({ private_key: keys.token.keyP8 }), "private_key"],
    [
      "with a key of 2,048 bits",
      () => account({ private_key: pem(generateKeyPairSync("rsa", { modulusLength: 2040 }).privateKey) }),
      "2048",
    ],
  ])("is %s", async (_what, json, words) => {
    expect(await refused(byAccount(json()))).toEqual(["fcm.service_account_json", expect.stringContaining(words)]);
  });

  test("has no sandbox", async () => {
    expect((await refused(byAccount(keys.account.json), SANDBOX))[0]).toBe("environment");
    expect((await set(await otherApp(server), byAccount(keys.account.json), PRODUCTION)).environment).toBe(UNSPECIFIED);
  });
});

test("Web Push is not offered", async () => {
  expect(await refusal(set(server, { case: "webPush", value: {} }))).toMatchObject({
    reason: "UNSUPPORTED",
    field: "web_push",
  });
});

test("an app has one credential for each provider and environment, until it is removed", async () => {
  const app = await otherApp(server);
  const { admin } = backend(app);
  await set(app, byToken());
  await set(app, byAccount(keys.account.json));
  const second = await set(app, byToken({ topic: "com.example.second" }));
  await set(app, byToken({ topic: "com.example.sandbox" }), SANDBOX);
  const list = async () =>
    (await admin.listPushCredentials({})).credentials.map((each) => [each.provider, each.environment, each.topic]);
  expect(await list()).toEqual([
    [APNS, UNSPECIFIED, second.topic],
    [APNS, SANDBOX, "com.example.sandbox"],
    [FCM, UNSPECIFIED, ""],
  ]);
  await admin.removePushCredential({ provider: APNS, environment: UNSPECIFIED });
  await admin.removePushCredential({ provider: FCM });
  expect(await list()).toEqual([[APNS, SANDBOX, "com.example.sandbox"]]);
  for (const absent of [{ provider: FCM }, { provider: APNS, environment: PRODUCTION }, {}])
    expect(await refusal(admin.removePushCredential(absent))).toMatchObject({ reason: "NOT_FOUND", field: "provider" });
});

describe("a test push", () => {
  test("reaches every phone of a user by the provider of each, and tells what was answered", async () => {
    const app = await otherApp(server);
    const { admin } = backend(app);
    const here = await newPhone(app);
    const sandbox = await newPhone(app, here.userId, { pushEnvironment: SANDBOX });
    const android = await newPhone(app, here.userId, { platform: Platform.ANDROID, pushProvider: FCM });
    await newPhone(app, here.userId, { pushProvider: PushProvider.UNSPECIFIED, pushToken: "" });
    const send = async () => {
      const target = { case: "userId" as const, value: here.userId };
      const { results } = await admin.sendTestPush({ target, title: "Hello", body: "Anybody there?" });
      return new Map(results.map((result) => [result.installationId, result]));
    };
    const none = await send();
    expect(none.size).toBe(3);
    for (const result of none.values())
      expect(result).toMatchObject({ outcome: 5, status: 0, reason: "no credential is set" });
    await set(app, byToken());
    await set(app, byAccount(keys.account.json));
    apns.script(({ token }) => (token === sandbox.pushToken ? apnsError(400, "BadDeviceToken") : { status: 200 }));
    const results = await send();
    expect(results.get(here.installationId)).toMatchObject({
      provider: APNS,
      environment: PRODUCTION,
      outcome: 1,
      status: 200,
      reason: "",
    });
    expect(results.get(sandbox.installationId)).toMatchObject({
      environment: SANDBOX,
      outcome: 2,
      status: 400,
      reason: "BadDeviceToken",
    });
    expect(results.get(android.installationId)).toMatchObject({ provider: FCM, outcome: 1, status: 200 });
    const got = apns.received.filter(({ token }) => token === here.pushToken);
    expect(got).toHaveLength(1);
    expect(got[0]).toMatchObject({
      topic: TOPIC,
      authority: "api.push.apple.com",
      pushId: must(results.get(here.installationId)).pushId,
      by: { kind: "token", keyId: keys.token.keyId, teamId: keys.token.teamId },
      payload: { aps: { alert: { title: "Hello", body: "Anybody there?" }, sound: "default", badge: 1 } },
    });
    expect(fcm.received.filter(({ token }) => token === android.pushToken)).toHaveLength(1);
    // One phone alone; what is asked of it is kept, and how long the provider wants to be left alone is told.
    apns.script(() => apnsError(429, "TooManyRequests", {}, { "retry-after": "30" }));
    const one = await admin.sendTestPush({ target: { case: "installationId", value: here.installationId } });
    expect(one.results).toMatchObject([
      { outcome: 3, status: 429, reason: "TooManyRequests", retryDelay: { seconds: 30n } },
    ]);
    expect(apns.received.at(-1)?.payload).toMatchObject({ aps: { alert: { body: "Test" } } });
    apns.script(() => ({ status: 200 }));
  });

  test("of whom there is not is NOT_FOUND", async () => {
    const { admin } = backend(server);
    const tom = await newUser(server);
    const phone = await newPhone(await otherApp(server));
    for (const value of ["nobody", phone.userId])
      expect(await refusal(admin.sendTestPush({ target: { case: "userId", value } }))).toMatchObject({
        reason: "NOT_FOUND",
        field: "user_id",
      });
    for (const value of ["nothing", phone.installationId])
      expect(await refusal(admin.sendTestPush({ target: { case: "installationId", value } }))).toMatchObject({
        reason: "NOT_FOUND",
        field: "installation_id",
      });
    expect((await admin.sendTestPush({ target: { case: "userId", value: tom.userId } })).results).toEqual([]);
  });
});

test("a message to somebody who is offline reaches the phone by the certificate that was uploaded", async () => {
  const app = await otherApp(server);
  await set(app, byCertificate(keys.p12({ password: "secret", export: ["-legacy"] }), "secret"));
  const [tom, jerry] = [await newUser(app), await newPhone(app)];
  const message = await say(tom, toUser(jerry.userId), "hello");
  const request = await eventually(() => must(apns.received.find(({ token }) => token === jerry.pushToken)));
  expect(request).toMatchObject({
    by: { kind: "certificate", uid: TOPIC },
    collapseId: message.messageId,
    pushType: "alert",
    payload: { aps: { alert: { body: "hello" } }, parley: { message_id: message.messageId } },
  });
});

test("the command line sets, lists, tries and removes, with secrets from files", async () => {
  using folder = tempFolder();
  const write = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder.path, name), content);
    return join(folder.path, name);
  };
  const app = await otherApp(server);
  const phone = await newPhone(app);
  const place = ["--url", app.url, "--service-key", app.serviceKey, "--json"];
  const answerOf = ({ code, stdout, stderr }: CommandResult) =>
    code === 0 ? (JSON.parse(stdout) as object) : { code, said: stderr };
  const run = async (...args: string[]) => answerOf(await parley("push", ...args, ...place));
  const runProcess = async (...args: string[]) => answerOf(await parleyProcess("push", ...args, ...place));
  const ids = ["--key-id", keys.token.keyId, "--team-id", keys.token.teamId, "--topic", TOPIC];
  expect(await runProcess("set-apns", "--p8", write("key.p8", keys.token.keyP8), ...ids)).toMatchObject({
    provider: "APNS",
    environment: "every",
    kind: "APNS_TOKEN",
    for: TOPIC,
    expires: "never",
  });
  const p12 = write("push.p12", keys.p12({ password: "secret" }));
  const certificate = ["set-apns", "--p12", p12, "--environment", "sandbox", "--password-file"];
  expect(await run(...certificate, write("password", "secret\n"))).toMatchObject({
    kind: "APNS_CERTIFICATE",
    environment: "SANDBOX",
  });
  expect(await runProcess(...certificate, write("wrong", "other"))).toMatchObject({
    code: 1,
    said: expect.stringContaining("password"),
  });
  expect(await run("set-fcm", write("account.json", keys.account.json))).toMatchObject({ for: "project-one" });
  expect(await run("set-apns", "--topic", TOPIC)).toMatchObject({
    code: 78,
    said: expect.stringContaining("either --p8 or --p12"),
  });
  expect(await run("set-fcm", join(folder.path, "absent"))).toMatchObject({
    code: 1,
    said: expect.stringContaining("cannot be read"),
  });
  expect(await run("test", "--user", phone.userId)).toMatchObject([
    { installation_id: phone.installationId, outcome: "SENT", status: 200, push_id: apns.received.at(-1)?.pushId },
  ]);
  expect(await run("remove", "apns", "--environment", "sandbox")).toEqual({ removed: "APNS", environment: "SANDBOX" });
  expect(await run("remove", "fcm")).toMatchObject({ removed: "FCM" });
  expect(await run("credentials")).toMatchObject([{ provider: "APNS", key_id: keys.token.keyId }]);
});

test("what is secret is in no answer, no log, no metric and no file", async (context) => {
  using folder = tempFolder();
  const dataDir = join(folder.path, "data");
  writeFileSync(join(folder.path, "ca.pem"), keys.ca);
  let log = "";
  const child = await spawnServer({
    dataDir,
    port: await freePort(),
    env: {
      PARLEY_LOG_LEVEL: "trace",
      PARLEY_APNS_URL: apns.url.origin,
      PARLEY_FCM_URL: fcm.url.origin,
      NODE_EXTRA_CA_CERTS: join(folder.path, "ca.pem"),
    },
    onStderr: (text) => {
      log += text;
    },
  });
  const { admin } = backend(child);
  const password = "Canary-password-of-the-file";
  const p12 = keys.p12({ password });
  const phone = await newPhone(child);
  const told: unknown[] = [];
  const tell = async (credential: Request["credential"], environment = UNSPECIFIED) => {
    const request = { credential, environment } as Request;
    told.push(await admin.setPushCredential(request).catch((error: unknown) => String(error)));
  };
  const test = async () => told.push(await admin.sendTestPush({ target: { case: "userId", value: phone.userId } }));
  await tell(byToken());
  await test();
  await tell(byCertificate(p12, password), PRODUCTION);
  await tell(byAccount(keys.account.json));
  await test();
  // Refused ones too.
  await tell(byToken({ keyP8: keys.token.keyP8.slice(0, -30) }));
  await tell(byCertificate(p12, `${password}-wrong`));
  await tell(byCertificate(p12, password, "com.example.other"));
  await tell(byAccount(keys.account.json.slice(0, -1)));
  await tell(byAccount(account({ project_id: 7 })));
  apns.script(() => apnsError(403, "InvalidProviderToken"));
  await test();
  apns.script(() => ({ status: 200 }));
  told.push(await admin.listPushCredentials({}), await (await fetch(`${child.url}/metrics`)).text());
  expect(apns.received.filter(({ token }) => token === phone.pushToken).map(({ by }) => by?.kind)).toEqual([
    "token",
    "certificate",
    "certificate",
  ]);
  await child.stop();

  const inside = (text: string) => text.replace(/-----[^-]+-----|\s/g, "").slice(40, 100);
  const { private_key } = JSON.parse(keys.account.json) as { private_key: string };
  const secrets = [inside(keys.token.keyP8), inside(private_key), password, p12.toString("base64").slice(40, 100)];
  const json = JSON.stringify(told, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  const files = readdirSync(dataDir)
    .map((name) => join(dataDir, name))
    .filter((name) => statSync(name).isFile());
  // A key is PEM in a file, which breaks its lines.
  const stored = files.map((name) => readFileSync(name).toString("latin1").replace(/\n/g, ""));
  for (const [at, secret] of secrets.entries()) {
    for (const text of [json, log, ...stored]) expect(text.includes(secret), `secret ${at}`).toBe(false);
  }
  expect(stored.some((text) => text.includes(p12.toString("latin1").slice(100, 160)))).toBe(false);
  expect(log).not.toContain(phone.pushToken);
  expect(log).toContain("SetPushCredential");
  figure(
    context,
    `${secrets.length} secrets in ${files.length} files, ${log.split("\n").length} lines of log and ${told.length} answers: 0 seen`,
  );
});

/** The certificate of a file, by openssl. */
function certificateIn(p12: Buffer): string {
  const args = ["pkcs12", "-nokeys", "-passin", "pass:"];
  return execFileSync("openssl", args, { input: p12, stdio: ["pipe", "pipe", "ignore"] }).toString();
}

const pem = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString();
