import { describe, expect, test } from "vitest";
import { parseSettings, readVersion, SETTINGS, type SettingName } from "./config.js";

function problemsOf(given: Partial<Record<SettingName, string>>): string[] {
  const parsed = parseSettings(given);
  return parsed.ok ? [] : parsed.problems;
}

describe("settings", () => {
  test("defaults", () => {
    expect(parseSettings({})).toMatchObject({
      ok: true,
      settings: {
        port: 7777,
        host: "127.0.0.1",
        logLevel: "info",
        sendRate: 20,
        connectionsPerAddress: 2000,
        corsOrigins: [],
        tls: undefined,
      },
    });
  });

  test("values are parsed", () => {
    const given = {
      port: "0",
      corsOrigins: "https://chat.example.org, http://localhost:5173",
      trustedProxies: "10.0.0.0/8,::1",
      privateFetch: "127.0.0.1",
      apnsUrl: "https://relay.example.org:8443",
      fcmUrl: "http://127.0.0.1:9000/",
      publicUrl: "https://chat.example.org/",
      sendRate: "0",
      retentionForce: "true",
      databaseUrl: "postgres://parley:secret@db:5432/parley?sslmode=verify-full",
      unsafeDatabase: "true",
    };
    expect(parseSettings(given)).toMatchObject({
      ok: true,
      settings: {
        port: 0,
        corsOrigins: ["https://chat.example.org", "http://localhost:5173"],
        trustedProxies: ["10.0.0.0/8", "::1"],
        privateFetch: ["127.0.0.1"],
        apnsUrl: new URL("https://relay.example.org:8443/"),
        fcmUrl: new URL("http://127.0.0.1:9000/"),
        publicUrl: "https://chat.example.org",
        sendRate: 0,
        retentionForce: true,
        databaseUrl: "postgres://parley:secret@db:5432/parley?sslmode=verify-full",
        unsafeDatabase: true,
      },
    });
  });

  test("an empty value counts as absent", () =>
    expect(problemsOf({ port: "", natsUrl: "", operatorToken: "" })).toEqual([]));

  test.each([
    ["port", "65536"],
    ["port", "1e3"],
    ["port", "-1"],
    ["host", "a b"],
    ["databaseUrl", "postgres://db"],
    ["databaseUrl", "mysql://db/parley"],
    ["unsafeDatabase", "maybe"],
    ["natsUrl", "bus:4222"],
    ["natsUrl", "http://bus:4222"],
    ["natsUrl", "nats://bus:4222/path"],
    ["natsUrl", "nats://tom:%ff@bus"],
    ["natsUrl", "nats://bus, tls://bus"],
    ["natsUrl", "nats://tom:one@bus, nats://tom:two@bus"],
    ["apnsUrl", "http://relay.example.org"],
    ["apnsUrl", "https://relay.example.org/push"],
    ["fcmUrl", "relay.example.org"],
    ["operatorToken", "x".repeat(15)],
    ["operatorToken", `ps_${"x".repeat(32)}`],
    ["secretKey", "f".repeat(63)],
    ["publicUrl", "chat.example.org"],
    ["tlsCert", "/no/such/file"],
    ["corsOrigins", "https://chat.example.org/path"],
    ["corsOrigins", "chat.example.org"],
    ["trustedProxies", "10.0.0.0/33"],
    ["trustedProxies", "proxy"],
    ["privateFetch", "localhost"],
    ["logLevel", "loud"],
    ["sendRate", "1.5"],
    ["retentionForce", "maybe"],
    ["natsUrl", "nats://bus"],
  ] as const)("%s = %s is refused by its names", (name, value) => {
    const [problem, ...more] = problemsOf({ [name]: value });
    expect(problem).toContain(`${SETTINGS[name].env} (${SETTINGS[name].flag}) `);
    expect(more).toEqual([]);
  });

  test("the servers of NATS are named alike, with who may come in", () => {
    const databaseUrl = "postgres://db/parley";
    const natsOf = (natsUrl: string) => {
      const parsed = parseSettings({ databaseUrl, natsUrl });
      return parsed.ok ? parsed.settings.nats : parsed.problems;
    };
    const nobody = { user: undefined, password: undefined, token: undefined };
    expect(natsOf("nats://one:4222, nats://[::1]")).toEqual({ servers: ["one:4222", "[::1]"], tls: false, ...nobody });
    expect(natsOf("tls://tom:a%2Fb@one:4222,tls://tom:a%2Fb@two")).toEqual({
      servers: ["one:4222", "two"],
      tls: true,
      ...nobody,
      user: "tom",
      password: "a/b",
    });
    expect(natsOf("nats://t0ken@one")).toEqual({ servers: ["one"], tls: false, ...nobody, token: "t0ken" });
  });

  test("NATS needs a database that nodes can share", () =>
    expect(problemsOf({ natsUrl: "nats://bus" })).toEqual([
      "PARLEY_NATS_URL (--nats-url) needs PARLEY_DATABASE_URL with a postgres:// URL",
    ]));

  test("a secret is never repeated in a problem", () => {
    const given = { operatorToken: "ps_secret", secretKey: "hidden", databaseUrl: "postgres://parley:hidden@db" };
    expect(problemsOf({ natsUrl: "nats://tom:hidden@bus/x" }).join()).not.toMatch(/hidden/);
    expect(problemsOf(given).join()).not.toMatch(/ps_secret|hidden/);
  });

  test("all problems are told at once", () => expect(problemsOf({ port: "x", logLevel: "x" })).toHaveLength(2));

  test("a certificate and a key go together, and fit", () => {
    const file = new URL(import.meta.url).pathname;
    expect(problemsOf({ tlsCert: file })).toEqual(["PARLEY_TLS_CERT (--tls-cert) needs PARLEY_TLS_KEY too"]);
    expect(problemsOf({ tlsKey: file })).toEqual(["PARLEY_TLS_KEY (--tls-key) needs PARLEY_TLS_CERT too"]);
    expect(problemsOf({ tlsCert: file, tlsKey: file })[0]).toContain("are not a certificate and its key");
  });

  test("each flag names its setting as commander will", () => {
    for (const [name, { flag }] of Object.entries(SETTINGS))
      expect(flag.slice(2).replace(/-./g, (dash) => dash.charAt(1).toUpperCase())).toBe(name);
  });
});

test("the version is that of the package", () => expect(readVersion()).toMatch(/^\d+\.\d+\.\d+/));
