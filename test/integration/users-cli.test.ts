import { appendFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parley, parleyProcess } from "../support/command.js";
import { backend, newUser, startTestServer, subscribe, type TestServer } from "../support/index.js";
import {
  count,
  must,
  newGroup,
  newPair,
  newRoom,
  say,
  says,
  subject,
  textOf,
  toGroup,
  toUser,
} from "../support/messaging.js";
import { tempFolder } from "../support/temp-store.js";

const folder = tempFolder();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(async () => {
  await server.close();
  folder[Symbol.dispose]();
});

const place = () => ["--url", server.url, "--service-key", server.serviceKey];
const run = (...args: string[]) => parley(...args, ...place());
const runProcess = (...args: string[]) => parleyProcess(...args, ...place());
const json = async (...args: string[]) => {
  const { stdout, stderr } = await run(...args, "--json");
  expect(stdout, stderr).not.toBe("");
  return JSON.parse(stdout) as unknown;
};

/** A file of JSON lines. */
function file(name: string, lines: readonly unknown[]): string {
  const path = join(folder.path, subject(name));
  writeFileSync(path, `${lines.map((line) => JSON.stringify(line)).join("\n")}\n`);
  return path;
}

describe("parley users", () => {
  test("import brings in a file of any length, tells failures by their lines, and repeats nothing", async () => {
    const ids = count(600).map(() => subject("u"));
    const lines = ids.map((userId) => ({ userId, displayName: "N", friendUserIds: [] as string[] }));
    must(lines[1]).friendUserIds = [must(ids[0])];
    const path = file("users", [...lines, { userId: subject("u"), friendUserIds: ["nobody"] }]);
    const first = await runProcess("users", "import", path, "--json");
    expect(first.stderr).toBe(`${path}:601: not_found friend_user_ids[0] no such user\n`);
    expect(first.code).toBe(1);
    expect(JSON.parse(first.stdout)).toEqual({ users: 601, created: 601, friends_added: 1, failed: 1 });
    expect(await json("users", "import", path)).toEqual({ users: 601, created: 0, friends_added: 0, failed: 1 });
    const { friends } = await backend(server).as(must(ids[0])).friend.listFriends({});
    expect(friends.map(({ userId }) => userId)).toEqual([ids[1]]);
    const bad = file("bad", [{ userId: subject("u") }, { noField: 1 }]);
    const refused = await run("users", "import", bad);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`${bad}:2 cannot be read`) });
    expect(await runProcess("users", "import", "/none")).toMatchObject({
      code: 1,
      stderr: "parley: /none is not there\n",
    });
  });

  test("show, disconnect and delete", async () => {
    const [tom, jerry] = await newPair(server);
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    await say(jerry, toUser(tom.userId), "unread");
    const stream = await subscribe(tom);
    expect(await json("users", "show", tom.userId)).toMatchObject({
      user_id: tom.userId,
      online: true,
      live_sessions: 1,
      friends: 1,
      unread: 1,
    });
    expect(await json("users", "disconnect", tom.userId)).toEqual({ streams: 1, sessions: 0 });
    await stream.frame("goodbye");
    expect(await json("users", "disconnect", tom.userId, "--revoke-sessions")).toEqual({ streams: 0, sessions: 1 });
    expect(await json("users", "delete", tom.userId)).toEqual({ user_id: tom.userId, deleted: true, pending: true });
    expect((await run("users", "show", tom.userId)).stderr).toBe("parley: no such user\n");
  });

  test("export writes a file that goes on after a cut as if there had been none", async () => {
    const [tom, jerry] = await newPair(server);
    for (const at of count(130)) await say(tom, toUser(jerry.userId), `m${at}`);
    const path = join(folder.path, "tom.ndjson");
    expect(await json("users", "export", tom.userId, "--out", path)).toEqual({ file: path, items: 133 });
    const whole = readFileSync(path, "utf8");
    const lines = whole.split("\n");
    expect(lines.slice(3, 133).map((line) => JSON.parse(line).item.message.content.text.text)).toEqual(
      count(130).map((at) => `m${at}`),
    );
    // Cut behind a line, and in the middle of one.
    for (const kept of [0, `${lines.slice(0, 60).join("\n")}\n`.length, Math.floor(whole.length / 2)]) {
      truncateSync(path, kept);
      await run("users", "export", tom.userId, "--out", path);
      const again = readFileSync(path, "utf8");
      if (kept > 0) expect(again).toBe(whole);
      else expect(again.split("\n")).toHaveLength(134);
      writeFileSync(path, whole);
    }
    expect((await runProcess("users", "export", tom.userId)).stdout.split("\n")).toHaveLength(134);
    const other = file("other", []);
    appendFileSync(other, "no export\n");
    expect(await run("users", "export", tom.userId, "--out", other)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("holds no export"),
    });
  });
});

describe("parley messages import", () => {
  test("brings in the conversations of a file, stops at the line that is refused, and repeats nothing", async () => {
    const [tom, jerry] = await newPair(server);
    const group = await newGroup(tom, [jerry]);
    // Older ones would be removed by a retention that runs meanwhile, and what is gone cannot be repeated.
    const yesterday = Date.now() - 86_400_000;
    const one = (conversation: object, at: number) => ({
      ...conversation,
      messages: [
        {
          senderUserId: at % 2 === 0 ? tom.userId : jerry.userId,
          content: { text: { text: `m${at}` } },
          createTime: new Date(yesterday + at).toISOString(),
          clientMessageId: subject("k"),
        },
      ],
    });
    const pair = { users: { firstUserId: tom.userId, secondUserId: jerry.userId } };
    const lines = [...count(600).map((at) => one({ groupId: group }, at)), ...count(3).map((at) => one(pair, at))];
    const path = file("messages", lines);
    expect(await json("messages", "import", path)).toEqual({ imported: 603, deduplicated: 0 });
    expect(await json("messages", "import", path)).toEqual({ imported: 0, deduplicated: 603 });
    const { messages } = await jerry.rpc.history.listMessages({
      peer: toGroup(group),
      position: { case: "afterSeq", value: 500 },
    });
    expect(messages.slice(0, 2).map(textOf)).toEqual(["m501", "m502"]);
    const late = file("late", [one(pair, 10), one(pair, 5)]);
    expect(await runProcess("messages", "import", late)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${late}:2: create_time`),
    });
  });
});

describe("parley system send", () => {
  test("speaks to everyone, a user, a group and a room", async () => {
    const tom = await newUser(server);
    const group = await newGroup(tom, []);
    const room = await newRoom(tom, []);
    const stream = await subscribe(tom);
    for (const to of ["everyone", `user:${tom.userId}`, `group:${group}`, `room:${room}`]) {
      await run("system", "send", "--to", to, `to ${to}`);
      await stream.event(says(`to ${to}`));
    }
    const key = subject("k");
    const once = ["system", "send", "--to", `user:${tom.userId}`, "once", "--key", key, "--json"];
    const twice = await Promise.all([runProcess(...once), runProcess(...once)]);
    const answers = twice.map(({ stdout }) => JSON.parse(stdout) as { deduplicated: boolean });
    expect(answers.map(({ deduplicated }) => deduplicated).sort()).toEqual([false, true]);
    expect(await run("system", "send", "--to", "nobody", "x")).toMatchObject({ code: 78 });
    await stream.close();
  });
});
