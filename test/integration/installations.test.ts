import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Platform, PushEnvironment, PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parley, parleyProcess } from "../support/command.js";
import { openBeside } from "../support/database.js";
import { fakeClock } from "../support/fake-clock.js";
import {
  anonymous,
  backend,
  eventually,
  newUser,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
} from "../support/index.js";
import { count, newDevice, newGuest, newPair, otherApp, say, subject, toUser } from "../support/messaging.js";
import { newPhone, newPushToken, pushesTo, scriptedSender, type TestPhone } from "../support/push.js";
import { tempFolder } from "../support/temp-store.js";

const SESSION_MS = 60_000;
const clock = fakeClock(Date.now());
const sender = scriptedSender();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ clock, pushSender: sender });
});
afterAll(() => server.close());

const idsOf = async ({ rpc }: Pick<TestPhone, "rpc">) =>
  (await rpc.installation.listInstallations({ pageSize: 100 })).installations.map((one) => one.installationId);
const register = ({ rpc }: Pick<TestPhone, "rpc">, installation: object) =>
  rpc.installation.registerInstallation({ installation: { installationId: subject("i"), ...installation } });

/** Where a message to a user who is away is pushed: to the phones of these that were. */
async function pushedTo(userId: string, phones: readonly { pushToken: string }[], on = server): Promise<boolean[]> {
  const before = phones.map(({ pushToken }) => sender.to(pushToken).length);
  const [sayer, marker] = [await newUser(on), await newPhone(on)];
  await say(sayer, toUser(userId), "hello");
  // What is decided together is handed over in any order: the second mark comes after all of the first's.
  for (const mark of [1, 2]) {
    await say(sayer, toUser(marker.userId), "mark");
    await pushesTo(sender, marker, mark);
  }
  return phones.map(({ pushToken }, at) => sender.to(pushToken).length > (before[at] ?? 0));
}

describe("an installation", () => {
  test("is bound by a session, listed latest first in pages, and never tells its token", async () => {
    const jerry = await newUser(server);
    const first = await register(jerry, {
      installationId: subject("tablet"),
      platform: Platform.ANDROID,
      locale: "zh_CN",
      pushProvider: PushProvider.FCM,
      pushToken: newPushToken(),
      pushEnvironment: PushEnvironment.SANDBOX,
    });
    expect(first.installation).toMatchObject({
      platform: Platform.ANDROID,
      locale: "zh_CN",
      pushProvider: PushProvider.FCM,
      pushToken: "",
      pushEnvironment: PushEnvironment.SANDBOX,
    });
    const phones = [];
    for (const _ of count(4)) {
      clock.advance(1);
      phones.push(await newPhone(server, jerry.userId));
    }
    const listed = [];
    let pageToken = "";
    do {
      const page = await jerry.rpc.installation.listInstallations({ pageSize: 2, pageToken });
      listed.push(...page.installations);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    const ids = phones.map(({ installationId }) => installationId).reverse();
    expect(listed.map((one) => one.installationId)).toEqual([...ids, first.installation?.installationId]);
    expect(listed.map(({ pushToken }) => pushToken).join("")).toBe("");
    expect(listed[0]).toMatchObject({ pushProvider: PushProvider.APNS, pushEnvironment: PushEnvironment.PRODUCTION });
    // The session tells it too, and the backend sees what its user sees.
    const { sessions } = await jerry.rpc.auth.listSessions({});
    expect(sessions.map((session) => session.installationId)).toEqual([...ids, first.installation?.installationId]);
    expect(await idsOf({ rpc: backend(server).as(jerry.userId) })).toEqual(await idsOf(jerry));
    const guest = await newGuest(server);
    await register(guest, {});
    expect(await idsOf(guest)).toHaveLength(1);
  });

  test.each([
    ["no provider", { pushToken: "0a" }, "INVALID_FIELD", "installation.push_provider"],
    ["Web Push", { pushProvider: PushProvider.WEB_PUSH, pushToken: "{}" }, "UNSUPPORTED", "installation.push_provider"],
    ["APNs, no hex", { pushProvider: PushProvider.APNS, pushToken: "0g" }, "INVALID_FIELD", "installation.push_token"],
    [
      "APNs, half a byte",
      { pushProvider: PushProvider.APNS, pushToken: "0a1" },
      "INVALID_FIELD",
      "installation.push_token",
    ],
    [
      "APNs, 202 digits",
      { pushProvider: PushProvider.APNS, pushToken: "a".repeat(202) },
      "TOO_LARGE",
      "installation.push_token",
    ],
    [
      "FCM with a space",
      { pushProvider: PushProvider.FCM, pushToken: "a b" },
      "INVALID_FIELD",
      "installation.push_token",
    ],
    [
      "FCM, 4,097",
      { pushProvider: PushProvider.FCM, pushToken: "a".repeat(4_097) },
      "TOO_LARGE",
      "installation.push_token",
    ],
    ["a locale that is none", { locale: "e" }, "INVALID_FIELD", "installation.locale"],
  ])("is refused by name, registered or at login: %s", async (_, installation, reason, field) => {
    const jerry = await newUser(server);
    expect(await refusal(register(jerry, installation))).toMatchObject({ reason, field });
    expect(
      await refusal(newPhone(server, jerry.userId, { pushProvider: 0, pushToken: "", ...installation })),
    ).toMatchObject({ reason, field });
    expect(await idsOf(jerry)).toEqual([]);
  });

  test("may have the longest of tokens", async () => {
    const jerry = await newUser(server);
    await register(jerry, { pushProvider: PushProvider.APNS, pushToken: "A".repeat(200) });
    await register(jerry, { pushProvider: PushProvider.FCM, pushToken: "a".repeat(4_096) });
    expect(await idsOf(jerry)).toHaveLength(1);
  });

  test("needs a session: a backend has no device", async () => {
    const jerry = await newUser(server);
    expect(await refusal(register({ rpc: backend(server).as(jerry.userId) }, {}))).toMatchObject({
      reason: "UNAUTHENTICATED",
    });
  });
});

describe("pushes go to a phone", () => {
  test("until its user logs out; one that pauses still gets them, and other phones are untouched", async () => {
    const jerry = await newPhone(server);
    const other = await newPhone(server, jerry.userId);
    await jerry.rpc.message.pauseSession({});
    expect(await pushedTo(jerry.userId, [jerry, other])).toEqual([true, true]);
    await jerry.rpc.auth.logout({});
    expect(await pushedTo(jerry.userId, [jerry, other])).toEqual([false, true]);
    expect(await idsOf(other)).toEqual([other.installationId]);
  });

  test("until its session is revoked, crowded out, or over", async () => {
    const own = fakeClock(Date.now());
    const times = { sessionMs: SESSION_MS, retentionIntervalMs: 1_000 };
    const place = await startTestServer({ clock: own, pushSender: sender, limits: { sessionsPerUser: 3 }, times });
    const jerry = await newPhone(place);
    const [revoked, stays] = [await newPhone(place, jerry.userId), await newPhone(place, jerry.userId)];
    await jerry.rpc.auth.revokeSession({ sessionId: revoked.sessionId });
    expect(await pushedTo(jerry.userId, [jerry, revoked, stays], place)).toEqual([true, false, true]);
    own.advance(1);
    await newDevice(place, jerry);
    await newDevice(place, jerry);
    expect(await pushedTo(jerry.userId, [jerry, stays], place)).toEqual([false, true]);
    own.advance(SESSION_MS);
    await eventually(async () => {
      own.advance(1_000);
      expect(await idsOf({ rpc: backend(place).as(jerry.userId) })).toEqual([]);
    });
    expect(await pushedTo(jerry.userId, [stays], place)).toEqual([false]);
    await place.close();
  });

  test("of whoever logged in there last: the one before gets nothing there, and her session ends", async () => {
    const tom = await newPhone(server);
    const stream = await subscribe(tom);
    const { installationId, pushToken } = tom;
    const jerry = await newPhone(server, undefined, { installationId, pushToken });
    await stream.ended;
    expect((await stream.frame("goodbye")).reason).toBe(GoodbyeReason.SESSION_REVOKED);
    expect(await pushedTo(tom.userId, [tom])).toEqual([false]);
    expect(await pushedTo(jerry.userId, [tom])).toEqual([true]);
  });

  test("that has the token: an app installed anew, or a phone that was sold, takes it from the installation before", async () => {
    const tom = await newPhone(server);
    const jerry = await newPhone(server, undefined, { pushToken: tom.pushToken.toUpperCase() });
    const token = { pushToken: tom.pushToken };
    expect(await pushedTo(tom.userId, [token])).toEqual([false]);
    expect(await pushedTo(jerry.userId, [token])).toEqual([true]);
    // Her session goes on, without pushes.
    expect((await tom.rpc.installation.listInstallations({})).installations).toMatchObject([{ pushProvider: 0 }]);
    // In another app, or of another provider, it is another token.
    const other = await newPhone(await otherApp(server), undefined, token);
    await newPhone(server, undefined, { ...token, pushProvider: PushProvider.FCM });
    expect((await other.rpc.installation.listInstallations({})).installations).toMatchObject([{ pushProvider: 1 }]);
    expect(await pushedTo(jerry.userId, [token])).toEqual([true]);
  });

  test("by the token it told last; an empty one turns them off", async () => {
    const jerry = await newPhone(server);
    const { installationId } = jerry;
    const changed = { pushToken: newPushToken() };
    await register(jerry, { installationId, pushProvider: PushProvider.APNS, ...changed });
    expect(await pushedTo(jerry.userId, [jerry, changed])).toEqual([false, true]);
    await register(jerry, { installationId });
    expect(await pushedTo(jerry.userId, [jerry, changed])).toEqual([false, false]);
    expect(await idsOf(jerry)).toEqual([installationId]);
  });

  test("that the session is on: a session that registers another leaves the one before, and ends who was on it", async () => {
    const [tom, jerry] = [await newPhone(server), await newPhone(server)];
    const { installationId, pushToken } = tom;
    await register(jerry, { installationId, pushProvider: PushProvider.APNS, pushToken });
    expect(await refusal(tom.rpc.auth.listSessions({}))).toMatchObject({ reason: "SESSION_REVOKED" });
    expect(await idsOf(jerry)).toEqual([installationId]);
    expect(await pushedTo(jerry.userId, [tom, jerry])).toEqual([true, false]);
  });

  test("until it is removed; the session on it goes on, and nobody removes another's", async () => {
    const [tom, jerry] = [await newPhone(server), await newPhone(server)];
    const { installationId } = jerry;
    const missing = { reason: "NOT_FOUND", field: "installation_id" };
    expect(await refusal(tom.rpc.installation.removeInstallation({ installationId }))).toMatchObject(missing);
    await jerry.rpc.installation.removeInstallation({ installationId });
    expect(await refusal(jerry.rpc.installation.removeInstallation({ installationId }))).toMatchObject(missing);
    expect(await pushedTo(jerry.userId, [jerry])).toEqual([false]);
    const { sessions } = await jerry.rpc.auth.listSessions({});
    expect(sessions.map((session) => session.installationId)).toEqual([""]);
    await register(jerry, { installationId, pushProvider: PushProvider.APNS, pushToken: jerry.pushToken });
    expect(await pushedTo(jerry.userId, [jerry])).toEqual([true]);
  });

  test("of nobody whose session has ended, however late its registration comes", async () => {
    const jerry = await newPhone(server);
    const late = Promise.allSettled([
      jerry.rpc.auth.logout({}),
      register(jerry, { pushProvider: PushProvider.APNS, pushToken: jerry.pushToken }),
    ]);
    await late;
    expect(await idsOf({ rpc: backend(server).as(jerry.userId) })).toEqual([]);
    expect(await pushedTo(jerry.userId, [jerry])).toEqual([false]);
  });
});

describe("a push that was opened", () => {
  const counts = async (place: TestServer) => {
    const { db, close } = await openBeside(place.dataDir);
    const query = db
      .selectFrom("push_count")
      .select(({ fn }) => [fn.sum<number>("sent").as("sent"), fn.sum<number>("opened").as("opened")])
      .select(({ fn }) => fn.sum<number>("failed").as("failed"));
    return await query.executeTakeFirst().finally(close);
  };

  test("counts once, by its own id or its message's, for whoever it was shown to", async () => {
    const place = await startTestServer({ pushSender: sender });
    const [tom, jerry] = [await newPhone(place), await newPhone(place)];
    const { messageId } = await say(tom, toUser(jerry.userId), "hello");
    const [push] = await pushesTo(sender, jerry);
    const { installationId } = jerry;
    const byMessage = { push: { case: "messageId" as const, value: messageId }, installationId };
    await eventually(async () => expect(await counts(place)).toMatchObject({ sent: 1 }));
    await jerry.rpc.installation.reportPushOpened(byMessage);
    await jerry.rpc.installation.reportPushOpened(byMessage);
    const byId = { push: { case: "pushId" as const, value: (push?.pushId ?? "").toUpperCase() }, installationId };
    await jerry.rpc.installation.reportPushOpened(byId);
    expect(await counts(place)).toEqual({ sent: 1, opened: 1, failed: 0 });
    const missing = { reason: "NOT_FOUND" };
    expect(await refusal(tom.rpc.installation.reportPushOpened(byId))).toMatchObject(missing);
    const own = { ...byId, installationId: tom.installationId };
    expect(await refusal(tom.rpc.installation.reportPushOpened(own))).toMatchObject({ ...missing, field: "push_id" });
    await place.close();
  });
});

test("an app's words for pushes are refused by name where they cannot be", async () => {
  const { admin } = backend(server);
  const set = (...templates: object[]) => refusal(admin.setPushTemplates({ templates: { templates } }));
  const field = "templates.templates[0].direct.body";
  expect(await set({ locale: "en", direct: { body: "{who}: {text}" } })).toMatchObject({
    reason: "INVALID_FIELD",
    field,
  });
  expect(await set({ locale: "en" }, { locale: "EN" })).toMatchObject({ field: "templates.templates[1].locale" });
  expect(await set({ locale: "english language" })).toMatchObject({ field: "templates.templates[0].locale" });
  expect(await set(...count(51).map((at) => ({ locale: `aa-${at}` })))).toMatchObject({
    reason: "TOO_LARGE",
    field: "templates.templates",
  });
  await admin.setPushTemplates({ templates: { templates: count(50).map((at) => ({ locale: `aa-${at}` })) } });
  await admin.setPushTemplates({ templates: {} });
  expect((await admin.getPushTemplates({})).templates?.templates).toEqual([]);
  const [tom] = await newPair(server);
  expect(await refusal(tom.rpc.admin.getPushTemplates({}))).toMatchObject({ reason: "UNAUTHENTICATED" });
  expect(await refusal(anonymous(server).installation.listInstallations({}))).toMatchObject({
    reason: "UNAUTHENTICATED",
  });
});

test("parley push templates sets them from a file, lists them, and saves them as set takes them", async () => {
  using folder = tempFolder();
  const [file, copy] = [join(folder.path, "templates.json"), join(folder.path, "copy.json")];
  const templates = { defaultLocale: "fr", templates: [{ locale: "fr", direct: { title: "De {sender}" } }] };
  writeFileSync(file, JSON.stringify(templates));
  const place = ["--url", server.url, "--service-key", server.serviceKey, "--json"];
  const set = await parleyProcess("push", "templates", "set", file, ...place);
  expect(JSON.parse(set.stdout)).toEqual({ templates: 1, default_locale: "fr" });
  const got = await parley("push", "templates", "get", copy, ...place);
  expect(JSON.parse(got.stdout)).toMatchObject([{ locale: "fr", direct: "De {sender} | -" }]);
  expect(JSON.parse(readFileSync(copy, "utf8"))).toEqual(templates);
  writeFileSync(file, "{");
  const broken = await parley("push", "templates", "set", file, ...place);
  expect([broken.code, broken.stderr]).toEqual([1, expect.stringContaining("cannot be read as templates")]);
});
