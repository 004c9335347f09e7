import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parley, parleyProcess } from "../support/command.js";
import { backend, startTestServer, type TestServer } from "../support/index.js";
import { count } from "../support/messaging.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const place = () => ["--url", server.url, "--service-key", server.serviceKey];
const search = (...args: string[]) => parley("search", ...args, ...place());

describe("parley search", () => {
  test("finds users by filters in an order, as lines and as JSON", async () => {
    await backend(server).admin.batchUpsertUsers({
      users: [
        { userId: "cat", displayName: "Tom\u001b[2J Cat", attributes: { level: 3, city: "Oslo", vip: true } },
        { userId: "mouse", displayName: "Tommy", attributes: { level: 20, city: "Oslo" } },
        { userId: "dog", displayName: "Tom Dog", attributes: { level: 7, city: "7" } },
      ],
    });
    const line = ["search", "users", "display_name~TOM", "city=Oslo", "--sort", "-level", "--json"];
    const found = await parleyProcess(...line, ...place());
    expect(found.code).toBe(0);
    expect(JSON.parse(found.stdout)).toEqual([
      { user_id: "mouse", display_name: "Tommy", attributes: '{"level":20,"city":"Oslo"}' },
      { user_id: "cat", display_name: "Tom\u001b[2J Cat", attributes: '{"level":3,"city":"Oslo","vip":true}' },
    ]);
    const lines = await search("users", "vip=true", "level=3");
    expect(lines.stdout).toContain('cat  Tom\ufffd[2J Cat  {"level":3');
    // A value that is JSON is that, and one in quotes a text.
    expect((await search("users", 'city="7"')).stdout).toContain("dog");
    expect((await search("users", "city=7")).stdout).toBe("no users found\n");
  });

  test("reads as many pages as it needs, up to its limit", async () => {
    const users = count(100).map((at) => ({ userId: `many${at}`, attributes: { many: true } }));
    await backend(server).admin.batchUpsertUsers({ users });
    await backend(server).admin.batchUpsertUsers({ users: [{ userId: "many101", attributes: { many: true } }] });
    const numberOf = async (...args: string[]) =>
      (JSON.parse((await search("users", "many=true", "--json", ...args)).stdout) as unknown[]).length;
    expect([await numberOf(), await numberOf("--limit", "101"), await numberOf("--limit", "7")]).toEqual([100, 101, 7]);
  });

  test("finds groups and rooms", async () => {
    const { group, room } = backend(server).as("cat");
    const made = await group.createGroup({ name: "Cats", attributes: { topic: "food" } });
    await room.createRoom({ name: "Chess", attributes: { game: "chess" } });
    expect(JSON.parse((await search("groups", "name~cat", "topic=food", "--json")).stdout)).toMatchObject([
      { group_id: made.group?.groupId, name: "Cats", member_count: 1 },
    ]);
    expect((await search("rooms", "game=chess")).stdout).toContain("Chess  1");
  });

  test("says what is wrong in a line, and has examples", async () => {
    for (const [args, words] of [
      [["users", "nonsense"], "a filter is path=value or path~part"],
      [["users", "a~"], "filters[0].contains"],
      [["users", "--limit", "0"], "--limit"],
    ] as const) {
      const { code, stderr } = await search(...args);
      expect(code, args.join(" ")).not.toBe(0);
      expect(stderr).toContain(words);
      expect(stderr).not.toContain("    at ");
    }
    expect((await parleyProcess("search", "groups", "--help")).stdout).toContain("$ parley search groups name~cats");
  });
});
