import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parley, parleyProcess } from "../support/command.js";
import { backend, startTestServer, type TestServer } from "../support/index.js";
import { tempFolder } from "../support/temp-store.js";

const folder = tempFolder();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ settings: { dataDir: folder.path } });
});
afterAll(async () => {
  await server.close();
  folder[Symbol.dispose]();
});

// Without --service-key a command takes that of the development app in the data folder.
const place = () => ["--url", server.url, "--data-dir", server.dataDir];
const run = (...args: string[]) => parley(...args, ...place());
const SECRET = "a secret of at least thirty-two bytes";

test("parley sms sets the gateway, shows it without its secret, and turns it off", async () => {
  const url = "https://sms.example.org/codes";
  expect(await parleyProcess("sms", "show", ...place())).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/gateway\s+console/),
  });
  const set = await run("sms", "set-webhook", url, "--secret", SECRET, "--json");
  expect([set.code, JSON.parse(set.stdout)]).toEqual([0, { gateway: "webhook", url }]);
  const shown = await run("sms", "show");
  expect(shown.stdout).toContain(url);
  expect(shown.stdout + shown.stderr + set.stdout).not.toContain(SECRET);
  expect((await run("sms", "set-webhook", "http://10.0.0.1/", "--secret", SECRET)).code).toBe(1);
  const short = await parleyProcess("sms", "set-webhook", url, "--secret", "short", ...place());
  expect(short).toMatchObject({ code: 1, stderr: expect.stringContaining("webhook.secret") });
  expect((await run("sms", "set-webhook", url)).code).toBe(78);
  expect((await run("sms", "off")).code).toBe(0);
  expect((await backend(server).admin.getSmsGateway({})).gateway.case).toBe("none");
  expect((await run("sms", "console")).code).toBe(0);
  expect((await backend(server).admin.getSmsGateway({})).gateway.case).toBe("console");
}, 60_000);

test("parley oauth sets the providers of a file and lists them", async () => {
  const file = join(folder.path, "providers.json");
  writeFileSync(
    file,
    JSON.stringify([
      { name: "weibo", weibo: { client_id: "1352222456" } },
      { name: "google", oidc: { issuer: "https://accounts.google.com", audiences: ["a", "b"] } },
    ]),
  );
  expect((await run("oauth", "list")).stdout).toBe("no third parties\n");
  expect((await parleyProcess("oauth", "set", file, ...place())).code).toBe(0);
  const { providers } = await backend(server).admin.listOauthProviders({});
  expect(providers.map(({ name }) => name)).toEqual(["weibo", "google"]);
  const listed = JSON.parse((await run("oauth", "list", "--json")).stdout) as { name: string; settings: string }[];
  expect(listed.map(({ name, settings }) => [name, JSON.parse(settings)])).toEqual([
    ["weibo", { clientId: "1352222456" }],
    ["google", { issuer: "https://accounts.google.com", audiences: ["a", "b"] }],
  ]);
  writeFileSync(file, '[{"name": "x", "nothing": {}}]');
  const bad = await parleyProcess("oauth", "set", file, ...place());
  expect(bad).toMatchObject({ code: 78, stderr: expect.stringContaining("providers.json") });
  writeFileSync(file, "[]");
  expect((await run("oauth", "set", file)).code).toBe(0);
  expect((await backend(server).admin.listOauthProviders({})).providers).toEqual([]);
}, 60_000);
