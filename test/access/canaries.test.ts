import { request as httpRequest } from "node:http";
import type { JsonValue } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { httpFake } from "../support/http-fake.js";
import { eventually, type TestServer } from "../support/index.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { TIER_2 } from "../support/proofs/tier.js";
import { newPhoneNumber, wrongCode } from "../support/sms.js";
import { tempFolder } from "../support/temp-store.js";
import { METHODS } from "./call.js";
import { isStruct, pathText, withValue } from "./samples.js";
import { callerOf, fresh, furnish, samplesIn, TAKES_AWAY, type World } from "./world.js";

/** What every secret of these tests holds, in the letters that ids may have too. */
const CANARY = "Canary-b1rd";
let counter = 0;
const canary = (bytes = 0) => `${CANARY}-${counter++}-`.padEnd(bytes, "y");

/** The forms in which bytes of the canary would show in base64, whatever stands before them. */
const FORMS = [CANARY, ...[0, 1, 2].map((shift) => base64Inside(CANARY, shift))];
const sings = (text: string) => FORMS.filter((form) => text.includes(form));

const LEVELS = TIER_2 ? ["trace", "debug", "info", "warn", "error", "fatal", "silent"] : ["trace"];

describe.each(LEVELS)("A12: secrets sent to a server that logs at %s", { timeout: 300_000 }, (level) => {
  const folder = tempFolder();
  let child: ProcessServer;
  let server: TestServer;
  let world: World;
  let log = "";
  beforeAll(async () => {
    child = await spawnServer({
      dataDir: folder.path,
      port: await freePort(),
      env: {
        PARLEY_LOG_LEVEL: level,
        PARLEY_PRIVATE_FETCH: "127.0.0.1",
        PARLEY_OPERATOR_TOKEN: `${CANARY}-operator-token`,
        NODE_OPTIONS: `--import=${new URL("break-statements.mjs", import.meta.url)}`,
      },
      onStderr: (text) => {
        log += text;
      },
    });
    server = { ...child, operatorToken: `${CANARY}-operator-token` } as unknown as TestServer;
    world = await furnish(server);
  });
  afterAll(async () => {
    await child.kill();
    folder[Symbol.dispose]();
  });

  /** Every text of every call, in each form that is refused in a way of its own. */
  function* attacks() {
    const refused = new Set<unknown>();
    for (const method of METHODS.values()) {
      const seen = new Set<string>();
      for (const sample of samplesIn(world, method))
        for (const place of sample.places) {
          if (seen.has(pathText(place))) continue;
          seen.add(pathText(place));
          const text = canary();
          const whole = JSON.stringify(withValue(fresh(sample), place, isStruct(place) ? { [text]: text } : text));
          yield { sample, body: whole };
          // A field that many calls share is read in one place.
          if (refused.has(place.field)) continue;
          refused.add(place.field);
          const values: JsonValue[] = isStruct(place)
            ? [{ key: [text] }, text, [text], { key: canary(17_000) }]
            : [`${text} \u0000`, `${text}"'é`, [text], { [text]: text }, canary(20_000)];
          for (const value of values) yield { sample, body: JSON.stringify(withValue(fresh(sample), place, value)) };
          yield { sample, body: whole.slice(0, whole.indexOf(text) + text.length) };
          yield { sample, body: whole.replace(`"${text}"`, text) };
        }
    }
  }

  async function post(
    path: string,
    body: string,
    headers: Record<string, string>,
  ): Promise<{ ok: boolean; text: string }> {
    const response = await fetch(`${server.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
    return { ok: response.ok, text: await response.text() };
  }

  test("are in no refusal, no log and no metric", async (context) => {
    let calls = 0;
    const first = counter;
    const leaks: string[] = [];
    const note = (what: string, text: string) => {
      calls += 1;
      if (sings(unpacked(text)).length > 0) leaks.push(`${what}: ${text.slice(0, 300)}`);
    };
    for (const { sample, body } of attacks()) {
      if (sample.method.methodKind !== "unary") continue;
      const path = `/${sample.method.parent.typeName}/${sample.method.name}`;
      const who = callerOf(sample.method, world) as Record<string, string>;
      const { ok, text } = await post(path, body, who);
      // What was asked for is told; a message of a batch that was refused is part of an answer.
      if (!ok || sample.method.name === "SendMessages") note(sample.name, ok ? errorsOf(text) : text);
      if (ok && TAKES_AWAY.test(sample.method.name)) world = await furnish(server);
    }
    const path = "/parley.v1.UserService/GetUser";
    for (const token of ["", "ps_", "pk_", "po_"].map((prefix) => prefix + canary()))
      for (const authorization of [`Bearer ${token}`, token, `Basic ${token}`, `Bearer ${token} ${token}`])
        note("a token", (await post(path, "{}", { authorization })).text);
    const { serviceKey } = server;
    note(
      "an acting user",
      (await post(path, "{}", { authorization: `Bearer ${serviceKey}`, "parley-acting-user": canary() })).text,
    );
    for (const query of ["access_token", "token", "authorization", "api_key"])
      note("a query", (await post(`${path}?${query}=${canary()}`, "{}", {})).text);
    note("a cookie", (await post(path, "{}", { cookie: canary() })).text);
    // What a protocol's own header says is no secret and may be told to who sent it; the log is another matter.
    for (const name of ["connect-protocol-version", "connect-timeout-ms", "content-encoding", "content-type"])
      await post(path, "{}", { [name]: canary() });
    note("a path", (await post(`/parley.v1.UserService/${canary()}`, "{}", {})).text);
    note("a path", (await post(`/${canary()}`, "{}", {})).text);
    const raw = await rawGet(`${server.url}${path}?connect=v1&encoding=json&message=${canary()}`);
    note("a GET", raw);
    note("a GET", await rawGet(`${server.url}${path}?connect=v1&encoding=json&compression=gzip&message=${canary()}`));
    note("metrics", await rawGet(`${server.url}/metrics`));
    note("the log", log);
    expect(leaks).toEqual([]);
    if (level === "trace") expect(log.split("\n").length).toBeGreaterThan(300);
    for (const secret of [serviceKey, world.owner.token, server.operatorToken]) expect(log).not.toContain(secret);
    figure(
      context,
      `${counter - first} canaries in ${calls} refusals at level ${level}, ${log.split("\n").length} lines of log: 0 seen`,
    );
  });

  test("are in no log and no refusal when codes and tokens go out to a gateway and third parties", async () => {
    const fake = await httpFake();
    const { appId, clientKey } = server;
    const admin = { authorization: `Bearer ${server.serviceKey}` };
    const tell = async (name: string, request: object, who = {}) => {
      const { ok, text } = await post(`/parley.v1.${name}`, JSON.stringify(request), who);
      expect(ok ? [] : sings(unpacked(text))).toEqual([]);
      return text;
    };
    await tell("AdminService/SetSmsGateway", { webhook: { url: fake.url, secret: canary(40) } }, admin);
    const providers = [
      { name: "wechat", wechat: { appId: canary() }, baseUrl: fake.url },
      { name: "weibo", weibo: { clientId: canary() }, baseUrl: fake.url },
      { name: "oidc", oidc: { issuer: fake.url, audiences: [canary()] } },
    ];
    await tell("AdminService/SetOauthProviders", { providers }, admin);
    const shown = await tell("AdminService/GetSmsGateway", {}, admin);
    expect([shown.includes(fake.url), sings(shown)]).toEqual([true, []]);
    const secrets: string[] = [];
    for (const answer of [{}, { status: 500, body: canary() }, "cut", { body: canary() }] as const) {
      fake.answer = () => answer;
      const phoneNumber = newPhoneNumber();
      const told = await tell("AuthService/RequestSmsCode", { appId, clientKey, phoneNumber });
      const { code } = JSON.parse(fake.requests.at(-1)?.body ?? "{}") as { code: string };
      secrets.push(phoneNumber.slice(1), code);
      for (const secret of secrets) expect(told).not.toContain(secret);
      for (const guess of [wrongCode(code), code])
        await tell("AuthService/Login", { appId, clientKey, sms: { phoneNumber, code: guess } });
      const extra = { nonce: canary() };
      for (const provider of ["wechat", "weibo", "oidc"]) {
        const tokens = {
          accessToken: canary(),
          idToken: `${canary()}.${canary()}.${canary()}`,
          externalUserId: canary(),
        };
        await tell("AuthService/Login", { appId, clientKey, oauth: { provider, ...tokens, extra } });
      }
    }
    expect(sings(log)).toEqual([]);
    // A code may be a part of some number in the log by chance; its line would name the phone too.
    for (const line of log.split("\n"))
      expect(secrets.filter((secret) => line.includes(secret)).length).toBeLessThan(2);
    for (const phone of secrets.filter((secret) => secret.length > 6)) expect(log).not.toContain(phone);
    if (level === "trace") expect(log).toContain("RequestSmsCode");
    fake.close();
  });

  test("are in no log when the store fails, or the process ends by a defect", async () => {
    const lines = log.length;
    child.process.kill("SIGUSR2");
    const send = {
      receiver: { userId: world.ids.user_id },
      content: { text: { text: canary() } },
      clientMessageId: canary().slice(0, 40),
    };
    const who = { authorization: `Bearer ${world.owner.token}` };
    await eventually(async () => {
      const { ok, text } = await post("/parley.v1.MessageService/SendMessage", JSON.stringify(send), who);
      expect([ok, sings(unpacked(text))]).toEqual([false, []]);
    });
    const { appId, clientKey } = server;
    const login = { appId, clientKey, password: { username: canary(), password: canary() } };
    expect((await post("/parley.v1.AuthService/Login", JSON.stringify(login), {})).ok).toBe(false);
    if (!["fatal", "silent"].includes(level)) await eventually(() => expect(log.slice(lines)).toContain("call failed"));
    // The second one ends it, by an error that nobody catches.
    const over = new Promise((resolve) => child.process.once("exit", resolve));
    child.process.kill("SIGUSR2");
    await over;
    expect(log.slice(lines)).toContain("a defect");
    expect(sings(log)).toEqual([]);
  });
});

/** An answer with what its details hold in readable form. */
function unpacked(text: string): string {
  return text.replace(/"value":"([A-Za-z0-9+/=]+)"/g, (_, value: string) =>
    Buffer.from(value, "base64").toString("latin1"),
  );
}

/** The refusals in an answer to SendMessages. */
function errorsOf(text: string): string {
  const { results = [] } = JSON.parse(text) as { results?: { error?: unknown }[] };
  return JSON.stringify(results.map(({ error }) => error));
}

function base64Inside(text: string, shift: number): string {
  const encoded = Buffer.from("x".repeat(shift) + text)
    .toString("base64")
    .replace(/=+$/, "");
  // The letters at the ends depend on what stands beside.
  return encoded.slice(shift === 0 ? 0 : shift + 1, -1);
}

function rawGet(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    httpRequest(url, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
    })
      .on("error", reject)
      .end();
  });
}
