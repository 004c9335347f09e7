import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parley, parleyProcess } from "../support/command.js";
import { backend, startTestServer, type TestServer } from "../support/index.js";
import { newPair, otherApp, say, textOf, toUser } from "../support/messaging.js";
import { tempFolder } from "../support/temp-store.js";

const folder = tempFolder();
let server: TestServer;
beforeAll(async () => {
  const host = await startTestServer();
  server = { ...(await otherApp(host)), close: host.close };
});
afterAll(async () => {
  await server.close();
  folder[Symbol.dispose]();
});

const place = () => ["--url", server.url, "--service-key", server.serviceKey];

/** Runs a command of the app's backend, and gives what it said in JSON. */
async function said(...args: string[]) {
  const { code, stdout, stderr } = await parley(...args, "--json", ...place());
  expect([code, stderr], args.join(" ")).toEqual([0, ""]);
  return JSON.parse(stdout) as never;
}

async function failure(...args: string[]) {
  const { code, stdout, stderr } = await parley(...args, ...place());
  expect([code, stdout]).toEqual([1, ""]);
  return stderr;
}

test.each(["words show", "settings get", "stats", "audit"])("parley %s in a process of its own", async (line) => {
  const args = [...line.split(" "), ...place()];
  expect(await parleyProcess(...args)).toEqual({ ...(await parley(...args)), code: 0, stderr: "" });
});

function fileOf(words: readonly string[]): string {
  const file = join(folder.path, randomUUID());
  writeFileSync(file, `${words.join("\r\n")}\n\n`);
  return file;
}

describe("parley words", { timeout: 60_000 }, () => {
  test("sets, changes, lists and turns off the filter", async () => {
    const [tom, jerry] = await newPair(server);
    const spoken = async (words: string) => textOf(await say(tom, toUser(jerry.userId), words));
    // Too long for one call: 9,000 words of 192 bytes.
    const long = Array.from({ length: 9_000 }, (_, at) => `${at}`.padStart(5, "0").padEnd(64, "字"));
    const set = await said("words", "set", fileOf(["bad", ...long]), "--mask", "#", "--ignore-separators");
    expect(set).toEqual({
      enabled: true,
      action: "mask",
      mask: "#",
      words: 9_001,
      default_list: false,
      ignore_separators: true,
    });
    expect(await spoken(`b.a.d ${long.at(-1)}`)).toBe(`##### ${"#".repeat(64)}`);
    expect(await said("words", "set", fileOf(["bad"]), "--reject", "--default-list")).toMatchObject({
      action: "reject",
      words: 1,
      default_list: true,
    });
    expect(await said("words", "add", "worse", "two words", "--file", fileOf(["三個字"]))).toMatchObject({ words: 4 });
    expect(await said("words", "remove", "bad")).toMatchObject({ words: 3 });
    expect(await said("words", "list")).toEqual([{ word: "two words" }, { word: "worse" }, { word: "三個字" }]);
    expect(await said("words", "off")).toMatchObject({
      enabled: false,
      words: 3,
      action: "reject",
      default_list: true,
    });
    expect(await spoken("worse")).toBe("worse");
    expect(await said("words", "on")).toEqual(await said("words", "show"));
    expect(await failure("words", "add")).toContain("which words?");
    expect(await failure("words", "set", join(folder.path, "not-there"))).toContain("cannot be read");
  });
});

describe("parley settings", { timeout: 60_000 }, () => {
  test("gets and sets, in units that people use", async () => {
    const set = ["max_group_members=77", "history_retention=36h", "event_retention=14d", "allow_guest_login=off"];
    expect(await said("settings", "set", ...set)).toEqual({
      max_group_members: 77,
      history_retention: "36h",
      event_retention: "14d",
      allow_guest_login: false,
    });
    expect(await said("settings", "set", "stranger_history_retention=0")).toEqual({ stranger_history_retention: "0s" });
    const { settings } = await backend(server).admin.getSettings({});
    expect(settings).toMatchObject({ maxGroupMembers: 77, allowGuestLogin: false, maxRoomMembers: 1000 });
    expect(await said("settings", "get", "max_room_members")).toEqual({ max_room_members: 1000 });
    expect(Object.keys(await said("settings", "get"))).toContain("allow_bare_id_login");
    expect(await failure("settings", "set", "no_such=1")).toContain("there are: allow_bare_id_login");
    expect(await failure("settings", "set", "max_group_members=many")).toContain("whole number");
    expect(await failure("settings", "set", "event_retention=soon")).toContain("7d, 12h");
    expect(await failure("settings", "set", "max_group_members=1")).toContain("max_group_members");
  });
});

describe("parley stats and parley audit", { timeout: 60_000 }, () => {
  test("say what was done", async () => {
    const [tom, jerry] = await newPair(server);
    await say(tom, toUser(jerry.userId), "hello");
    const now = (await said("stats")) as Record<string, number>;
    expect(now.online_users).toBe(0);
    expect(now.today_strangers).toBeGreaterThan(0);
    const days = (await said("stats", "--daily")) as { start: string; strangers: number }[];
    expect(days).toHaveLength(30);
    expect(days.at(-1)).toMatchObject({ start: `${new Date().toISOString().slice(0, 10)}T00:00Z` });
    expect(await said("stats", "--hourly", "--from", "2030-01-31", "--to", "2030-01-31T05:30Z")).toHaveLength(6);
    const { stdout } = await parley("stats", "--daily", ...place());
    expect(stdout.split("\n")[0]).toMatch(/^start +friends +strangers/);
    await backend(server).admin.createServiceKey({ name: "k" });
    const listed = (await said("audit", "--method", "AdminService/CreateServiceKey", "--limit", "1")) as object[];
    expect(listed).toMatchObject([{ method: "AdminService/CreateServiceKey", outcome: "DONE", address: "127.0.0.1" }]);
  });
});
