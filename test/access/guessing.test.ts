import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { anonymous, startTestServer, type TestServer, withToken } from "../support/index.js";
import { count, must } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { tempFolder } from "../support/temp-store.js";
import { type Answer, call, METHODS } from "./call.js";

const LOGIN = must(METHODS.get("AuthService/Login"));

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
