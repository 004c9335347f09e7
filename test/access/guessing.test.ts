import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSafeFetch } from "../../server/src/ops/safe-fetch.js";
import { fakeClock } from "../support/fake-clock.js";
import { anonymous, backend, refusal, startTestServer, type TestServer, withToken } from "../support/index.js";
import { count, must } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { tempFolder } from "../support/temp-store.js";
import { type Answer, call, METHODS } from "./call.js";

const LOGIN = must(METHODS.get("AuthService/Login"));

describe("A6: guessing passwords", () => {
  const folder = tempFolder();
  const clock = fakeClock(Date.now());
  const limits = { loginTries: sized(1, 10), loginTriesPerAddress: sized(6, 500), loginWindowSeconds: 300 };
  // Enough of them that the measure of the address stops one address, and that of each account many.
  const [wide, narrow] = [200, sized(3, 200)];
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

describe("A6: the address of an app's keys", () => {
  let inside: Server;
  let port: number;
  let connections = 0;
  beforeAll(async () => {
    inside = createServer((request, response) => {
      if (request.url === "/redirect") response.writeHead(302, { location: "/keys" }).end();
      else if (request.url === "/endless") response.write("x".repeat(10_000));
      else if (request.url !== "/silent") response.end('{"keys":[]}');
    });
    inside.on("connection", () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => inside.listen(0, "127.0.0.1", resolve));
    port = (inside.address() as AddressInfo).port;
  });
  afterAll(() => {
    inside.closeAllConnections();
    inside.close();
  });
  const fetchOf = (allowedNetworks: string[], lookup?: Parameters<typeof createSafeFetch>[0]["lookup"]) =>
    createSafeFetch({ allowedNetworks, mostBytes: 1_000, timeoutMs: 300, ...(lookup && { lookup }) });

  test.each([
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fd00::1]",
    "[fe80::1]",
    "[ff02::1]",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
  ])("is not ours: %s", async (host) => {
    const url = new URL(`http://${host}:${port}/keys`);
    connections = 0;
    expect(fetchOf([]).refusal(url)).toContain("not public");
    await expect(fetchOf([]).get(url, {})).rejects.toThrow("not public");
    expect(connections).toBe(0);
  });

  test.each(["http://example.org:22/", "https://a:b@example.org/", "file:///etc/passwd", "gopher://example.org/"])(
    "is a web address: %s",
    async (url) => {
      expect(fetchOf(["0.0.0.0/0"]).refusal(new URL(url))).toBeDefined();
      await expect(fetchOf(["0.0.0.0/0"]).get(new URL(url), {})).rejects.toThrow();
    },
  );

  test("is looked up once, and every address that is found must be public", async () => {
    connections = 0;
    for (const found of [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["2606:4700::1", "::1"], ["::ffff:127.0.0.1"], []]) {
      const lookup = ((_: string, __: object, done: (error: null, found: object[]) => void) =>
        done(
          null,
          found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
        )) as never;
      await expect(fetchOf([], lookup).get(new URL(`http://keys.example.org:${port}/`), {})).rejects.toThrow("public");
    }
    // A name that changes its mind is asked once, and the connection goes where the answer said.
    let asked = 0;
    const lookup = ((_: string, __: object, done: (error: null, found: object[]) => void) => {
      asked += 1;
      done(null, [{ address: asked === 1 ? "127.0.0.1" : "10.0.0.1", family: 4 }]);
    }) as never;
    const { status } = await fetchOf(["127.0.0.1"], lookup).get(new URL(`http://keys.example.org:${port}/keys`), {});
    expect([status, asked, connections]).toEqual([200, 1, 1]);
  });

  test("is neither followed elsewhere, nor read without end, nor waited for", async () => {
    const get = (path: string) => fetchOf(["127.0.0.0/8"]).get(new URL(`http://127.0.0.1:${port}${path}`), {});
    expect((await get("/keys")).body.toString()).toBe('{"keys":[]}');
    expect((await get("/redirect")).status).toBe(302);
    await expect(get("/endless")).rejects.toThrow("larger than 1000 bytes");
    await expect(get("/silent")).rejects.toThrow();
  });

  test("is refused by the server, unless the setting allows its network", async (context) => {
    const set = (server: TestServer, value: string) =>
      backend(server).admin.setTokenKeys({ keys: [{ key: { case: "jwksUrl", value } }] });
    const strict = await startTestServer();
    connections = 0;
    const urls = [
      `http://127.0.0.1:${port}/`,
      `http://localhost:${port}/`,
      `https://[::1]:${port}/`,
      "https://169.254.169.254/",
    ];
    for (const url of urls)
      expect(await refusal(set(strict, url))).toMatchObject({ reason: "INVALID_FIELD", field: "keys[0].jwks_url" });
    expect(connections).toBe(0);
    await strict.close();
    const open = await startTestServer({ settings: { privateFetch: ["127.0.0.0/8"] } });
    await set(open, `http://127.0.0.1:${port}/`);
    await open.close();
    figure(context, `${urls.length} private key addresses given to the server: ${connections} connections`);
  });
});
