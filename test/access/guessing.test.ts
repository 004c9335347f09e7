import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { anonymous, startTestServer, type TestServer, withToken } from "../support/index.js";
import { count, must } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { loginBySms, newPhoneNumber, printedCode, requestCode } from "../support/sms.js";
import { tempFolder } from "../support/temp-store.js";
import { type Answer, call, METHODS } from "./call.js";

const LOGIN = must(METHODS.get("AuthService/Login"));
/** Each code is one of so many. */
const CODES = 1_000_000;

describe("A6: guessing passwords", { timeout: 300_000 }, () => {
  const folder = tempFolder();
  const clock = fakeClock(Date.now());
  const limits = { loginTries: sized(1, 2), loginTriesPerAddress: sized(6, 100), loginWindowSeconds: 300 };
  // Enough of them that the measure of the address stops one address, and that of each account many.
  const [wide, narrow] = [200, sized(3, 50)];
  const addresses = 200;
  const guesses = sized(400, 10_000);
  let server: TestServer;
  let session: string;
  beforeAll(async () => {
    const settings = { dataDir: folder.path, trustedProxies: ["127.0.0.1"] };
    server = await startTestServer({ clock, limits, settings });
    const { appId, clientKey } = server;
    await anonymous(server).auth.createAccount({ appId, clientKey, username: "user1", password: "right" });
    session = (
      await anonymous(server).auth.login({
        appId,
        clientKey,
        credential: { case: "password", value: { username: "user1", password: "right" } },
      })
    ).sessionToken;
    clock.advance(300_000);
  });
  afterAll(async () => {
    await server.close();
    folder[Symbol.dispose]();
  });

  const guess = (address: string, username: string, password: string): Promise<Answer> =>
    call(
      server.url,
      LOGIN,
      { appId: server.appId, clientKey: server.clientKey, password: { username, password } },
      { "x-forwarded-for": address },
    );

  /** Makes all guesses at one moment, and tells how many were answered at all. */
  async function attack(accounts: number, addressOf: (at: number) => string) {
    const told = { tried: 0, limited: 0 };
    const began = process.cpuUsage();
    for (const at of count(guesses)) {
      const answer = await guess(addressOf(at), `user${1 + (at % accounts)}`, `guess ${at}`);
      if (answer.ok) throw new Error("a guess was right");
      if (answer.reason === "WRONG_CREDENTIAL") told.tried += 1;
      else {
        expect(answer).toMatchObject({ code: "resource_exhausted", reason: "RATE_LIMITED" });
        expect(answer.retryDelayMs).toBeGreaterThan(0);
        told.limited += 1;
      }
    }
    const { user, system } = process.cpuUsage(began);
    return { ...told, cpuMs: (user + system) / 1000 };
  }

  test("from one address: it is stopped over all accounts together", async (context) => {
    const { tried, limited, cpuMs } = await attack(wide, () => "203.0.113.7");
    expect(tried).toBeLessThanOrEqual(limits.loginTriesPerAddress);
    expect(limited).toBe(guesses - tried);
    figure(
      context,
      `${guesses} guesses from 1 address at ${wide} accounts: ${tried} tried, ${(cpuMs / guesses).toFixed(1)} ms of CPU each`,
    );
  });

  test("from one network of IPv6, whose addresses are one", async () => {
    clock.advance(300_000);
    const guessing = count(limits.loginTriesPerAddress + 5);
    const answers = [];
    for (const at of guessing) answers.push(await guess(`2001:db8:0:1::${at.toString(16)}`, `nobody${at}`, "x"));
    expect(answers.filter((answer) => !answer.ok && answer.reason === "WRONG_CREDENTIAL")).toHaveLength(
      limits.loginTriesPerAddress,
    );
    expect(await guess("2001:db8:0:2::1", "nobody", "x")).toMatchObject({ reason: "WRONG_CREDENTIAL" });
  });

  test("from many addresses: each account is tried only so often, and whoever has a session goes on", async (context) => {
    clock.advance(300_000);
    const attacking = attack(narrow, (at) => `198.51.${at % addresses}.9`);
    let served = 0;
    const over = attacking.then(() => true);
    for (
      let ended = false;
      !ended;
      ended = await Promise.race([over, new Promise<false>((go) => setTimeout(go, 20, false))])
    ) {
      await withToken(server, session).auth.listSessions({});
      served += 1;
    }
    const { tried } = await attacking;
    const most = narrow * limits.loginTries * 5;
    expect(tried).toBeLessThanOrEqual(most);
    expect(served).toBeGreaterThan(3);
    // The account opens again by itself: it was slowed down, not locked.
    clock.advance(300_000);
    expect(await guess("192.0.2.1", "user1", "right")).toMatchObject({ ok: true });
    figure(
      context,
      `${guesses} guesses from ${addresses} addresses at ${narrow} accounts: ${tried} of at most ${most} tried; the victim's session made ${served} calls`,
    );
  });
});

describe("A6: guessing codes", { timeout: 300_000 }, () => {
  const folder = tempFolder();
  const clock = fakeClock(Date.now());
  const guesses = sized(400, 10_000);
  let server: TestServer;
  beforeAll(async () => {
    // Every guess reaches the code, and what stops them is the code alone: the bounds on addresses and accounts come on top.
    const limits = { loginTries: 1e6, loginTriesPerAddress: 1e6 };
    server = await startTestServer({
      clock,
      limits,
      settings: { dataDir: folder.path, trustedProxies: ["127.0.0.1"] },
    });
  });
  afterAll(async () => {
    await server.close();
    folder[Symbol.dispose]();
  });

  test.each([1, 200])("from %i addresses: a code is looked at five times", async (addresses) => {
    const before = triesOf(server);
    const phoneNumber = newPhoneNumber();
    await requestCode(server, phoneNumber);
    const code = printedCode(server, phoneNumber);
    const { appId, clientKey } = server;
    const told = new Set<string>();
    for (const at of count(guesses)) {
      // The right one would be hit by luck alone; it is left out, so that the test does not depend on luck.
      const guess = String((Number(code) + at) % CODES).padStart(6, "0");
      const answer = await call(
        server.url,
        LOGIN,
        { appId, clientKey, sms: { phoneNumber, code: guess } },
        { "x-forwarded-for": `198.51.${at % addresses}.9` },
      );
      told.add(answer.ok ? "in" : `${answer.code} ${answer.reason} ${answer.field} ${answer.message}`);
    }
    // One answer before and after the code is dead.
    expect([...told]).toEqual([expect.stringContaining("WRONG_CREDENTIAL")]);
    const looked = triesOf(server) - before;
    expect(looked).toBe(5);
    expect(looked / CODES).toBeLessThanOrEqual(5e-6);
    await expect(loginBySms(server, phoneNumber, code)).rejects.toThrow("the code is wrong");
    // It was slowed down, not locked: the next code is as good as ever.
    clock.advance(60_000);
    await requestCode(server, phoneNumber);
    expect((await loginBySms(server, phoneNumber, printedCode(server, phoneNumber))).created).toBe(true);
  });

  test("over a day: five codes of a number, so 25 tries, whoever asks for them", async (context) => {
    const phoneNumber = newPhoneNumber();
    let sent = 0;
    for (const _ of count(60)) {
      sent += await requestCode(server, phoneNumber).then(
        () => 1,
        () => 0,
      );
      clock.advance(60_000);
    }
    expect(sent).toBe(5);
    figure(
      context,
      `${guesses} guesses of a code from 1 and 200 addresses: 5 looked at, 5 in 10^6; 25 of a number in a day`,
    );
  });

  test("stops one address, and one account from all, by the bounds of every login", async () => {
    const own = tempFolder();
    const limits = { loginTries: 4 };
    const one = await startTestServer({
      clock,
      limits,
      settings: { dataDir: own.path, trustedProxies: ["127.0.0.1"] },
    });
    const { appId, clientKey } = one;
    const phoneNumber = newPhoneNumber();
    const guess = async (address: string) => {
      const request = { appId, clientKey, sms: { phoneNumber, code: "000000" } };
      const answer = await call(one.url, LOGIN, request, { "x-forwarded-for": address });
      return answer.ok ? "in" : answer.reason;
    };
    const alone = [];
    for (const _ of count(6)) alone.push(await guess("203.0.113.7"));
    expect(alone).toEqual([...count(4).map(() => "WRONG_CREDENTIAL"), "RATE_LIMITED", "RATE_LIMITED"]);
    const all = [];
    for (const at of count(30)) all.push(await guess(`198.51.100.${at}`));
    // Five times the tries of one address, four of which are gone.
    expect(all.filter((reason) => reason === "WRONG_CREDENTIAL")).toHaveLength(16);
    await one.close();
    own[Symbol.dispose]();
  });
});

/** How often codes were looked at, of all numbers together. */
function triesOf({ dataDir }: TestServer): number {
  const database = new Database(join(dataDir, "parley.db"), { readonly: true });
  const tries = database.prepare("select coalesce(sum(tries), 0) from sms_number").pluck().get() as number;
  database.close();
  return tries;
}
