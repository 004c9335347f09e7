import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { EXIT } from "../../server/src/cli/failure.js";
import { parseSettings, SETTINGS } from "../../server/src/config.js";
import { LIMITS, TIMES } from "../../server/src/limits.js";

const root = new URL("../../", import.meta.url);
const text = (path: string) => readFileSync(new URL(path, root), "utf8");
const exists = (path: string) => existsSync(new URL(path, root));

const dockerfile = text("deploy/Dockerfile");
const compose = text("deploy/compose.yaml");
const unit = text("deploy/parley.service");
const haproxy = text("deploy/haproxy.cfg");
const operations = text("docs/operations.md");

const known: readonly string[] = Object.values(SETTINGS).map(({ env }) => env);
const port = (() => {
  const parsed = parseSettings({});
  if (!parsed.ok) throw new Error("the defaults are refused");
  return parsed.settings.port;
})();

/** A span such as 75s or 2m, in milliseconds. */
function spanMs(span: string): number {
  const [, count = "", unitOf = ""] = /^(\d+)(ms|s|m)?$/.exec(span) ?? [];
  return Number(count) * ({ ms: 1, s: 1000, m: 60_000 }[unitOf] ?? 1000);
}

test("every setting that is named in deploy/ and in docs/operations.md exists", () => {
  const files = readdirSync(new URL("deploy/", root)).map((name) => `deploy/${name}`);
  for (const file of [...files, "docs/operations.md"]) {
    const named = [...new Set(text(file).match(/PARLEY_[A-Z0-9_]*[A-Z0-9]/g))];
    expect([file, named.filter((name) => !known.includes(name))]).toEqual([file, []]);
  }
});

test("every file of deploy/ is told of in docs/operations.md, and every file that it leads to is there", () => {
  for (const name of readdirSync(new URL("deploy/", root)).filter((each) => !each.endsWith(".dockerignore")))
    expect(operations).toContain(`(../deploy/${name})`);
  const leads = [...operations.matchAll(/\]\(([^)#]+)\)/g)].map(([, path = ""]) => path);
  for (const path of leads) expect([path, existsSync(new URL(path, new URL("docs/", root)))]).toEqual([path, true]);
  const headings = [...operations.matchAll(/^## (.*)$/gm)].map(
    ([, name = ""]) => `#${name.toLowerCase().replaceAll(" ", "-")}`,
  );
  for (const [, anchor = ""] of operations.matchAll(/\]\((#[^)]+)\)/g)) expect(headings).toContain(anchor);
});

describe("the Dockerfile", () => {
  /** What each stage copies: from where, what, and to where. */
  const copies = dockerfile
    .split("\n")
    .filter((line) => line.startsWith("COPY "))
    .map((line) => {
      const words = line.split(/\s+/).slice(1);
      const from = words[0]?.startsWith("--from=") ? words.shift()?.slice(7) : undefined;
      return { from, paths: words.slice(0, -1), to: words.at(-1) ?? "" };
    });

  test("copies what is in the repository, and from other stages what they make", () => {
    const stages = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, name]) => name);
    expect(copies.length).toBeGreaterThan(10);
    for (const { from, paths } of copies)
      for (const path of paths) {
        if (from === undefined) expect([path, exists(path)]).toEqual([path, true]);
        else {
          expect(stages).toContain(from);
          const made = path.replace("/parley/", "");
          // server/node_modules is made for what npm does not put at the top.
          expect([path, exists(made) || made === "server/node_modules"]).toEqual([path, true]);
          expect(made).toMatch(/^(\w+\/)?(dist|node_modules)$/);
        }
      }
  });

  test("every stage that installs has the manifest of each workspace", () => {
    const { workspaces } = JSON.parse(text("package.json")) as { workspaces: string[] };
    for (const stage of dockerfile.split(/^FROM /m).filter((part) => part.includes("npm ci")))
      for (const workspace of workspaces) expect(stage).toContain(`COPY ${workspace}/package.json ${workspace}/`);
  });

  test("has in the last stage all that the server needs when it runs, and starts it", () => {
    const last = copies.slice(copies.findIndex(({ from }) => from === "dependencies"));
    const there = last.flatMap(({ paths, to }) => (to === "./" ? paths : [to.replace(/\/$/, "/package.json")]));
    expect(there).toEqual(
      expect.arrayContaining([
        "node_modules",
        "server/bin",
        "server/dist",
        "server/package.json",
        "gen/dist",
        "gen/package.json",
        "web/dist",
      ]),
    );
    const [, entry = ""] = /^ENTRYPOINT \["node", "(.*)"\]$/m.exec(dockerfile) ?? [];
    expect([entry, exists(entry)]).toEqual(["server/bin/parley.js", true]);
    expect(dockerfile).toMatch(/^CMD \["serve"\]$/m);
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile).toContain(`PARLEY_PORT=${port}`);
    expect(dockerfile).toContain(`EXPOSE ${port}`);
  });

  test("leaves out of the build what is built or installed here", () => {
    const ignored = text("deploy/Dockerfile.dockerignore").split("\n");
    expect(ignored).toEqual(expect.arrayContaining(["**/node_modules", "**/dist", "**/*.tsbuildinfo", "data", ".git"]));
  });
});

test("who looks after a node asks the paths that it has", () => {
  const routes = text("server/src/http/router.ts");
  const asked = [dockerfile, haproxy, operations].flatMap((file) => file.match(/\/(readyz|healthz|metrics)\b/g) ?? []);
  expect(new Set(asked)).toEqual(new Set(["/readyz", "/healthz", "/metrics"]));
  for (const path of asked) expect(routes).toContain(`"${path}"`);
});

describe("the balancers", () => {
  test("wait longer than a stream may be quiet", () => {
    const waits = [
      ...haproxy.matchAll(/^\s+timeout (?:client|server) (\S+)$/gm),
      ...operations.matchAll(/(?:proxy|grpc)_(?:read|send)_timeout (\w+);/g),
      ...operations.matchAll(/idle_timeout: (\w+)/g),
    ].map(([, span = ""]) => spanMs(span));
    expect(waits.length).toBeGreaterThanOrEqual(8);
    for (const ms of waits) expect(ms).toBeGreaterThan(3 * TIMES.heartbeatMs);
  });

  test("send to the nodes of compose.yaml, at their port", () => {
    const servers = [...haproxy.matchAll(/^\s+server (\S+) (\S+)$/gm)].map(([, name, address]) => [name, address]);
    const nodes = [...compose.matchAll(/^ {2}(node\d):/gm)].map(([, name = ""]) => [name, `${name}:${port}`]);
    expect(nodes).toHaveLength(3);
    expect(servers).toEqual(nodes);
    const [, listens = ""] = /^\s+bind :(\d+)$/m.exec(haproxy) ?? [];
    expect(compose).toContain(`:${listens}:${listens}"`);
    expect(compose).toContain(`PARLEY_PUBLIC_URL: http://127.0.0.1:${listens}`);
  });

  test("are trusted by the network that they are in", () => {
    const [, trusted = ""] = /PARLEY_TRUSTED_PROXIES: (\S+)/.exec(compose) ?? [];
    expect(compose).toContain(`subnet: ${trusted}`);
  });
});

test("the settings of compose.yaml are ones that the server takes, and are asked for when they are missing", () => {
  const given = [...compose.matchAll(/^ {4}(PARLEY_[A-Z0-9_]+): (.*)$/gm)].map(([, env = "", value = ""]) => {
    const [name] = Object.entries(SETTINGS).find(([, setting]) => setting.env === env) ?? [];
    return [name, value.replace(/\$\{\w+:\?[^}]*\}/g, "ab".repeat(32))];
  });
  expect(given.length).toBeGreaterThan(5);
  expect(parseSettings(Object.fromEntries(given))).toMatchObject({ ok: true });
  expect(compose.match(/\$\{[^}]*\}/g)?.filter((each) => !each.includes(":?"))).toEqual([]);
});

describe("the unit of systemd", () => {
  const unitValue = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(unit)?.[1] ?? "";

  test("does not start again by itself what starting again does not mend", () => {
    expect(unitValue("Restart")).toBe("on-failure");
    expect(unitValue("RestartPreventExitStatus").split(" ").map(Number)).toEqual([EXIT.store, EXIT.setting]);
  });

  test("has room for all connections, and time for a farewell", () => {
    expect(Number(unitValue("LimitNOFILE"))).toBeGreaterThan(LIMITS.connections + 1000);
    expect(Number(unitValue("TimeoutStopSec")) * 1000).toBeGreaterThan(2 * TIMES.drainMs);
  });

  test("runs what a built checkout has, on the folder that it makes", () => {
    const [, program = ""] = /\/opt\/parley\/(\S+) serve$/.exec(unitValue("ExecStart")) ?? [];
    expect([program, exists(program)]).toEqual(["server/bin/parley.js", true]);
    expect(unit).toContain(`PARLEY_DATA_DIR=/var/lib/${unitValue("StateDirectory")}\n`);
    expect(unit).not.toMatch(/^MemoryDenyWriteExecute=/m);
  });
});

test("docs/operations.md tells the exit codes that there are", () => {
  const told = [...operations.matchAll(/^\| (\d+) \| /gm)].map(([, code]) => Number(code));
  expect(told).toEqual([0, ...Object.values(EXIT)]);
});
