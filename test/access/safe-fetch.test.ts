import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSafeFetch, failedToConnect } from "../../server/src/ops/safe-fetch.js";
import { backend, refusal, startTestServer, type TestServer } from "../support/index.js";
import { freePort } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";

describe("A9: an address that an app names", () => {
  let inside: Server;
  let port: number;
  let connections = 0;
  beforeAll(async () => {
    inside = createServer((request, response) => {
      if (request.url === "/redirect") response.writeHead(302, { location: "/keys" }).end();
      else if (request.url === "/endless") response.write("x".repeat(10_000));
      else if (request.url === "/cut") response.socket?.resetAndDestroy();
      else if (request.url === "/echo") {
        response.write(`${request.method} ${request.headers["x-more"]} `);
        request.pipe(response);
      } else if (request.url !== "/silent") response.end('{"keys":[]}');
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
    await expect(fetchOf([]).post(url, {}, "body")).rejects.toThrow("not public");
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
      await expect(fetchOf([], lookup).post(new URL(`http://sms.example.org:${port}/`), {}, "")).rejects.toThrow(
        "public",
      );
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

  test("is posted to under the same rules, and a connection that fails is known from an answer that does not come", async () => {
    const { post } = fetchOf(["127.0.0.0/8"]);
    const at = (path: string) => new URL(`http://127.0.0.1:${port}${path}`);
    expect((await post(at("/echo"), { "x-more": "1" }, "a body of é")).body.toString()).toBe("POST 1 a body of é");
    expect((await post(at("/redirect"), {}, "x")).status).toBe(302);
    await expect(post(at("/endless"), {}, "x")).rejects.toThrow("larger than 1000 bytes");
    const failure = (path: URL) => post(path, {}, "x").catch((error: unknown) => error);
    expect(failedToConnect(await failure(at("/silent")))).toBe(false);
    expect(failedToConnect(await failure(at("/cut")))).toBe(true);
    expect(failedToConnect(await failure(new URL("http://127.0.0.1:1023/")))).toBe(false);
    expect(failedToConnect(await failure(new URL(`http://127.0.0.1:${await freePort()}/`)))).toBe(true);
  });

  test("of a gateway or a third party is held to the same", async () => {
    const strict = await startTestServer();
    connections = 0;
    const { admin } = backend(strict);
    const secret = "x".repeat(32);
    for (const url of [`http://127.0.0.1:${port}/`, "https://10.0.0.1/", "https://[fd00::1]/"])
      expect(
        await refusal(admin.setSmsGateway({ gateway: { case: "webhook", value: { url, secret } } })),
      ).toMatchObject({ reason: "INVALID_FIELD", field: "webhook.url" });
    const kind = { case: "qq" as const, value: { clientId: "1" } };
    for (const baseUrl of [`http://127.0.0.1:${port}`, "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/"])
      expect(await refusal(admin.setOauthProviders({ providers: [{ name: "q", kind, baseUrl }] }))).toMatchObject({
        reason: "INVALID_FIELD",
        field: "providers[0].base_url",
      });
    expect(connections).toBe(0);
    await strict.close();
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
