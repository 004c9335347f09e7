import { createHmac } from "node:crypto";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { SetSmsGatewayRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { type HttpFake, httpFake } from "../support/http-fake.js";
import { anonymous, backend, refusal, startTestServer, type TestServer, withToken } from "../support/index.js";
import { count, millis, must, otherApp } from "../support/messaging.js";
import { loginBySms, newPhoneNumber, printedCode, requestCode, wrongCode } from "../support/sms.js";
import { tempFolder } from "../support/temp-store.js";
import { refused } from "./watching.js";

const MINUTE = 60_000;
const SECRET = "a secret of the webhook, 32 bytes and more";
const folder = tempFolder();
const clock = fakeClock(Date.now());
let server: TestServer;
let phones: HttpFake;
beforeAll(async () => {
  phones = await httpFake();
  server = await startTestServer({ clock, settings: { privateFetch: ["127.0.0.1"], dataDir: folder.path } });
});
afterAll(async () => {
  await server.close();
  phones.close();
  folder[Symbol.dispose]();
});

type Gateway = Exclude<SetSmsGatewayRequest["gateway"], { case: undefined }>;
const webhook = (url: string, secret = SECRET) => ({ case: "webhook", value: { url, secret } }) as Gateway;
const set = (app: TestServer, gateway: object) =>
  backend(app).admin.setSmsGateway({ gateway: gateway as { case: "none"; value: object } });
const wrong = { code: "Unauthenticated", reason: "WRONG_CREDENTIAL", field: "sms" };
const lastSms = () => JSON.parse(must(phones.requests.at(-1)).body) as Record<string, string>;

/** An app whose codes go to the fake of a provider. */
async function appWithPhones(settings: object = {}): Promise<TestServer> {
  const app = await otherApp(server, { allowBareIdLogin: false, ...settings });
  await set(app, webhook(`${phones.url}/sms`));
  phones.answer = () => ({});
  return app;
}

describe("login by phone number and code", () => {
  test("makes the user the first time and finds it again, each time by a code of its own", async () => {
    const number = newPhoneNumber();
    const answer = await requestCode(server, number);
    expect(millis(answer.codeExpireTime) - clock.now()).toBe(5 * MINUTE);
    expect(answer.resendDelay?.seconds).toBe(60n);
    const code = printedCode(server, number);
    const first = await loginBySms(server, number, code);
    expect(first.created).toBe(true);
    expect(first.userId).not.toContain(number.slice(1));
    const { user } = await backend(server).user.getUser({ userId: first.userId });
    expect(user).toMatchObject({ kind: UserKind.ORDINARY, displayName: "" });
    expect(await refused(loginBySms(server, number, code))).toEqual(wrong);
    clock.advance(MINUTE);
    await requestCode(server, number);
    const again = await loginBySms(server, number, printedCode(server, number));
    expect(again).toMatchObject({ userId: first.userId, created: false });
    // Its id is its own now, and no word for it.
    const bare = { case: "bareId" as const, value: { userId: first.userId } };
    const { appId, clientKey } = server;
    expect(await refused(anonymous(server).auth.login({ appId, clientKey, credential: bare }))).toMatchObject({
      reason: "LOGIN_DISABLED",
      field: "bare_id",
    });
  });

  test("that many try at once with one code opens one session", async () => {
    const number = newPhoneNumber();
    await requestCode(server, number);
    const code = printedCode(server, number);
    const tries = await Promise.allSettled(count(5).map(() => loginBySms(server, number, code)));
    expect(tries.filter((one) => one.status === "fulfilled")).toHaveLength(1);
  });

  test("gives five tries of a code, whoever tries, and one answer to all that is wrong", async () => {
    const [known, unknown] = [newPhoneNumber(), newPhoneNumber()];
    await requestCode(server, known);
    const code = printedCode(server, known);
    const told = await Promise.all([
      refusal(loginBySms(server, known, wrongCode(code))),
      refusal(loginBySms(server, unknown, code)),
    ]);
    for (const one of told) expect(one).toMatchObject(wrong);
    expect(must(told[0]).message).toBe(must(told[1]).message);
    for (const _ of count(4)) expect(await refused(loginBySms(server, known, wrongCode(code)))).toEqual(wrong);
    expect(await refused(loginBySms(server, known, code))).toEqual(wrong);
  });

  test("knows its number in one app alone", async () => {
    const other = await otherApp(server);
    const number = newPhoneNumber();
    await requestCode(server, number);
    const code = printedCode(server, number);
    expect(await refused(loginBySms(other, number, code))).toEqual(wrong);
    // The other app's count of the number is its own.
    await requestCode(other, number);
    const there = await loginBySms(other, number, printedCode(server, number));
    const here = await loginBySms(server, number, code);
    expect(here.userId).not.toBe(there.userId);
  });

  test("goes on over a restart: the code, its number's minute and the app's day", async () => {
    const own = tempFolder();
    let one = await startTestServer({ clock, settings: { dataDir: own.path } });
    await backend(one).admin.updateSettings({ settings: { smsCodesPerDay: 1 } });
    const number = newPhoneNumber();
    await requestCode(one, number);
    const code = printedCode(one, number);
    one = await one.restart();
    expect(await refused(requestCode(one, number))).toMatchObject({ reason: "RATE_LIMITED", field: "phone_number" });
    expect(await refused(requestCode(one, newPhoneNumber()))).toEqual({
      code: "ResourceExhausted",
      reason: "RATE_LIMITED",
      field: "",
      limit: "1",
    });
    expect((await loginBySms(one, number, code)).created).toBe(true);
    await one.close();
    own[Symbol.dispose]();
  });
});

describe("a code that is asked for", () => {
  test("answers alike for a number with a user and one without", async () => {
    const known = newPhoneNumber();
    await requestCode(server, known);
    await loginBySms(server, known, printedCode(server, known));
    clock.advance(MINUTE);
    const shape = (answer: Awaited<ReturnType<typeof requestCode>>) => [
      timestampDate(must(answer.codeExpireTime)).getTime() - clock.now(),
      answer.resendDelay,
    ];
    const fresh = newPhoneNumber();
    expect(shape(await requestCode(server, known))).toEqual(shape(await requestCode(server, fresh)));
    const [a, b] = [await refusal(requestCode(server, known)), await refusal(requestCode(server, fresh))];
    expect([a.reason, a.field, a.message]).toEqual([b.reason, b.field, b.message]);
  });

  test("waits 60 s for the one before it, and is told how long", async () => {
    const number = newPhoneNumber();
    await requestCode(server, number);
    clock.advance(MINUTE - 1000);
    const early = await refusal(requestCode(server, number));
    expect(early).toMatchObject({ code: "ResourceExhausted", reason: "RATE_LIMITED", field: "phone_number" });
    expect(early.detail.retryDelay).toMatchObject({ seconds: 1n });
    clock.advance(1000);
    await requestCode(server, number);
  });

  test("is one of 20 in an hour for one address, whatever the numbers; this machine's own are not counted", async () => {
    const own = tempFolder();
    const settings = { dataDir: own.path, trustedProxies: ["127.0.0.1"] };
    const one = await startTestServer({ clock, settings });
    const ask = async (address: string) => {
      const response = await fetch(`${one.url}/parley.v1.AuthService/RequestSmsCode`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-forwarded-for": address },
        body: JSON.stringify({ appId: one.appId, clientKey: one.clientKey, phoneNumber: newPhoneNumber() }),
      });
      return response.status;
    };
    for (const _ of count(20)) expect(await ask("203.0.113.7")).toBe(200);
    expect(await ask("203.0.113.7")).toBe(429);
    expect(await ask("203.0.113.8")).toBe(200);
    clock.advance(3 * MINUTE);
    expect(await ask("203.0.113.7")).toBe(200);
    for (const _ of count(25)) await requestCode(one, newPhoneNumber());
    await one.close();
    own[Symbol.dispose]();
  });

  test("needs the app's key and a number in E.164 form", async () => {
    expect(await refused(requestCode({ ...server, clientKey: "wrong" }, newPhoneNumber()))).toMatchObject({
      reason: "WRONG_CREDENTIAL",
      field: "",
    });
    for (const bad of ["", "13800138000", "+0138001380", "+12345", "+1234567890123456", "+1380013800x"])
      expect(await refused(requestCode(server, bad))).toMatchObject({ reason: "INVALID_FIELD", field: "phone_number" });
  });
});

describe("the gateway", () => {
  test("is the console in a development app, and nothing elsewhere, until it is set", async () => {
    const strict = await otherApp(server, { allowBareIdLogin: false });
    const gateway = async (app: TestServer) => (await backend(app).admin.getSmsGateway({})).gateway.case;
    expect([await gateway(server), await gateway(strict)]).toEqual(["console", "none"]);
    const off = { code: "PermissionDenied", reason: "LOGIN_DISABLED" };
    expect(await refused(requestCode(strict, newPhoneNumber()))).toEqual({ ...off, field: "app_id" });
    expect(await refused(loginBySms(strict, newPhoneNumber(), "123456"))).toEqual({ ...off, field: "sms" });
    expect(await refused(set(strict, { case: "console", value: {} }))).toMatchObject({
      reason: "INVALID_FIELD",
      field: "console",
    });
    // An app that grows up prints no codes any more.
    const grown = await otherApp(server);
    await set(grown, { case: "console", value: {} });
    await requestCode(grown, newPhoneNumber());
    await backend(grown).admin.updateSettings({ settings: { allowBareIdLogin: false } });
    expect(await gateway(grown)).toBe("none");
    expect(await refused(requestCode(grown, newPhoneNumber()))).toEqual({ ...off, field: "app_id" });
    await set(server, { case: "none", value: {} });
    expect(await refused(requestCode(server, newPhoneNumber()))).toEqual({ ...off, field: "app_id" });
    await set(server, { case: "console", value: {} });
    await requestCode(server, newPhoneNumber());
  });

  test("by webhook gets what a provider needs, signed as docs/logins.md tells how to check it", async () => {
    const app = await appWithPhones();
    const number = newPhoneNumber();
    await requestCode(app, number, "zh-CN");
    const { method, path, headers, body } = must(phones.requests.at(-1));
    expect([method, path, headers["content-type"]]).toEqual(["POST", "/sms", "application/json"]);
    const sms = lastSms();
    expect(sms).toEqual({
      app_id: app.appId,
      phone_number: number,
      code: expect.stringMatching(/^\d{6}$/),
      locale: "zh-CN",
      text: expect.stringContaining("验证码"),
      expire_time: new Date(clock.now() + 5 * MINUTE).toISOString(),
      request_id: expect.any(String),
    });
    expect(sms.text).toContain(sms.code);
    const [, at, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers["parley-signature"])) ?? [];
    expect(Number(at)).toBe(Math.floor(clock.now() / 1000));
    expect(createHmac("sha256", SECRET).update(`${at}.${body}`).digest("hex")).toBe(mac);
    expect((await loginBySms(app, number, must(sms.code))).created).toBe(true);
  });

  test("that fails is told by name, and burns neither the number's minute nor the code before", async () => {
    const app = await appWithPhones({ smsCodesPerDay: 2 });
    const number = newPhoneNumber();
    await requestCode(app, number);
    const good = must(lastSms().code);
    clock.advance(MINUTE);
    for (const answer of [{ status: 500 }, { status: 302, location: `${phones.url}/else` }, { status: 404 }]) {
      phones.answer = () => answer;
      const told = await refusal(requestCode(app, number));
      expect(told).toMatchObject({ code: "Unavailable", reason: "SERVER_BUSY" });
      expect(told.detail).toMatchObject({ retryable: true, metadata: { cause: "SMS_GATEWAY" } });
      expect(phones.requests.at(-1)?.path).toBe("/sms");
    }
    expect(await refused(loginBySms(app, number, must(lastSms().code)))).toEqual(wrong);
    expect((await loginBySms(app, number, good)).created).toBe(true);
    phones.answer = () => ({});
    await requestCode(app, number);
    expect((await loginBySms(app, number, must(lastSms().code))).created).toBe(false);
  });

  test("whose connection breaks is tried once more under the same id", async () => {
    const app = await appWithPhones();
    const begin = phones.requests.length;
    let cut = 1;
    phones.answer = () => (cut-- > 0 ? "cut" : {});
    await requestCode(app, newPhoneNumber());
    const ids = phones.requests.slice(begin).map(({ body }) => (JSON.parse(body) as { request_id: string }).request_id);
    expect(ids).toHaveLength(2);
    expect(ids[0]).toBe(ids[1]);
    phones.answer = () => "cut";
    expect(await refused(requestCode(app, newPhoneNumber()))).toMatchObject({ reason: "SERVER_BUSY" });
    expect(phones.requests).toHaveLength(begin + 4);
  });

  test("that does not answer in time is not asked again, for it may have sent", async () => {
    const own = tempFolder();
    const settings = { privateFetch: ["127.0.0.1"], dataDir: own.path };
    const one = await startTestServer({ settings, times: { fetchMs: 1000 } });
    await set(one, webhook(phones.url));
    const begin = phones.requests.length;
    phones.answer = () => "silence";
    expect(await refused(requestCode(one, newPhoneNumber()))).toMatchObject({ reason: "SERVER_BUSY" });
    expect(phones.requests).toHaveLength(begin + 1);
    await one.close();
    own[Symbol.dispose]();
  });

  test("is shown without its secret, and only an address that is public may be set", async () => {
    const app = await appWithPhones();
    const { gateway } = await backend(app).admin.getSmsGateway({});
    expect(gateway).toMatchObject({ case: "webhook", value: { url: `${phones.url}/sms`, secret: "" } });
    for (const url of [
      "http://example.org/",
      "https://10.0.0.1/",
      "https://a:b@example.org/",
      "https://example.org:22/",
    ])
      expect(await refused(set(app, webhook(url)))).toMatchObject({ reason: "INVALID_FIELD", field: "webhook.url" });
    for (const secret of ["", "x".repeat(31)])
      expect(await refused(set(app, webhook("https://example.org/", secret)))).toMatchObject({
        reason: "INVALID_FIELD",
        field: "webhook.secret",
      });
    await set(app, webhook("https://example.org/", "x".repeat(32)));
    await set(app, webhook("https://example.org/", "x".repeat(1024)));
    expect(await refused(set(app, webhook("https://example.org/", "x".repeat(1025))))).toMatchObject({
      reason: "TOO_LARGE",
      field: "webhook.secret",
    });
  });
});

test("a session that a code has opened is like any other", async () => {
  const number = newPhoneNumber();
  await requestCode(server, number);
  const { sessionToken, sessionId } = await loginBySms(server, number, printedCode(server, number));
  const { sessions } = await withToken(server, sessionToken).auth.listSessions({});
  expect(sessions.map((session) => session.sessionId)).toEqual([sessionId]);
});
