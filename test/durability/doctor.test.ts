import { generateKeyPairSync } from "node:crypto";
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { examineFolder, type Finding } from "@parley/server";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkLog } from "../../server/src/store/check-log.js";
import { kyselyOver } from "../../server/src/store/kysely.js";
import { parleyProcess } from "../support/command.js";
import { type CrashImage, crashImage } from "../support/crash-image.js";
import { backend, newUser, startTestServer, type TestServer } from "../support/index.js";
import { newGroup, newPair, say, toGroup, toUser } from "../support/messaging.js";

let server: TestServer;
let image: CrashImage;

beforeAll(async () => {
  server = await startTestServer({ settings: { logLevel: "silent" } });
  const [tom, jerry] = await newPair(server);
  const group = await newGroup(tom, [jerry, await newUser(server, "spike")]);
  for (let i = 1; i <= 5; i++) {
    await say(tom, toUser(jerry.userId), `direct ${i}`, { clientMessageId: `direct-${i}` });
    await say(jerry, toGroup(group), `group ${i}`);
  }
  await tom.rpc.group.removeGroupMembers({ groupId: group, userIds: [jerry.userId] });
  await jerry.rpc.conversation.markRead({ peer: toUser(tom.userId) });
  await tom.rpc.message.ackEvents({ cursor: (await tom.rpc.message.listEvents({})).cursor });
  await server.running.close();
  image = crashImage(server.dataDir);
});
afterAll(() => {
  image[Symbol.dispose]();
  rmSync(server.dataDir, { recursive: true, force: true });
});

const examine = (dataDir: string) => examineFolder(dataDir, { quick: false, secretKey: undefined });
const problems = (findings: Finding[]) => findings.flatMap(({ check, state }) => (state === "problem" ? [check] : []));

describe("checkLog", () => {
  const HEAD = "(SELECT pos FROM app_log)";
  const damages: [rule: string, damage: string][] = [
    ["positions", `DELETE FROM event WHERE pos = 3`],
    ["positions", `DELETE FROM event WHERE pos = ${HEAD}`],
    ["positions", `UPDATE app_log SET pos = pos + 1`],
    ["positions", `UPDATE app_log SET pos = pos - 1`],
    ["positions", `UPDATE app_log SET floor_pos = 2`],
    ["positions", `UPDATE event SET app_id = 'other' WHERE pos = ${HEAD}`],
    ["floor", `UPDATE app_log SET floor_pos = pos + 1`],
    ["generations", `DELETE FROM generation`],
    ["generations", `UPDATE generation SET first_pos = 1`],
    ["generations", `INSERT INTO generation SELECT app_id, 'ff', pos + 1, '' FROM app_log`],
    ["generations", `INSERT INTO generation SELECT app_id, 'ff', first_pos, '' FROM generation`],
    ["audiences", `DELETE FROM audience WHERE pos = 4`],
    ["audiences", `UPDATE audience SET audience = 'x' || audience WHERE pos = 4`],
    ["audiences", `INSERT INTO audience SELECT app_id, 'u:nobody', 4 FROM app_log`],
    ["seqs", `DELETE FROM message WHERE seq = 3`],
    ["seqs", `DELETE FROM message WHERE seq = 1`],
    ["seqs", `DELETE FROM message WHERE seq = 5`],
    ["seqs", `DELETE FROM message`],
    ["seqs", `DELETE FROM conversation`],
    ["seqs", `UPDATE conversation SET head_seq = head_seq + 1`],
    ["order", `UPDATE message SET pos = pos - 4 WHERE seq = 4`],
    ["order", `UPDATE message SET create_ms = 1 WHERE seq = 4`],
    ["messages", `UPDATE message SET pos = pos + 1000 WHERE seq = 5`],
    [
      "repeats",
      `DROP INDEX message_client_id; UPDATE message SET client_message_id = 'direct-1' WHERE client_message_id = 'direct-2'`,
    ],
    ["repeats", `DROP INDEX message_id; UPDATE message SET message_id = 'same'`],
    ["markers", `UPDATE participant SET read_seq = 6`],
    ["markers", `UPDATE session SET acked_pos = 1000`],
    ["members", `UPDATE member SET joined_pos = 1000`],
    ["members", `UPDATE place SET member_count = 9`],
  ];

  test.each(damages)("names what breaks %s: %s", async (rule, damage) => {
    using files = image.copy();
    const database = new Database(files.database);
    database.exec(damage);
    const db = kyselyOver(database);
    expect((await checkLog(db)).map((fault) => fault.rule)).toContain(rule);
    await db.destroy();
  });

  test("finds nothing in a whole one, nor where retention has been", async () => {
    using files = image.copy();
    const database = new Database(files.database);
    const db = kyselyOver(database);
    expect(await checkLog(db)).toEqual([]);
    database.exec(`UPDATE app_log SET floor_pos = 5; DELETE FROM event WHERE pos <= 5; DELETE FROM audience WHERE pos <= 5;
      UPDATE conversation SET floor_seq = 2; DELETE FROM message WHERE seq = 1`);
    expect(await checkLog(db)).toEqual([]);
    await db.destroy();
  });
});

describe("parley doctor", () => {
  test("has nothing to say against a good folder, of a running server too", async () => {
    using files = image.copy();
    expect(await examine(files.dataDir)).toContainEqual({
      check: "server",
      state: "ok",
      text: "none runs on this folder",
    });
    const running = await startTestServer({ settings: { logLevel: "silent" } });
    const { code, stdout, stderr } = await parleyProcess("doctor", "--data-dir", running.dataDir, "--json");
    const { healthy, findings } = JSON.parse(stdout) as { healthy: boolean; findings: Finding[] };
    expect({ code, stderr, healthy, problems: problems(findings) }).toEqual({
      code: 0,
      stderr: "",
      healthy: true,
      problems: [],
    });
    expect(findings).toContainEqual({ check: "server", state: "ok", text: "one runs on this folder" });
    await running.close();
  });

  test("says in plain lines what is wrong, and ends with 1", async () => {
    using files = image.copy();
    const database = new Database(files.database);
    database.exec("DELETE FROM event WHERE pos = 3");
    database.close();
    const { code, stdout } = await parleyProcess("doctor", "--data-dir", files.dataDir);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^X positions {4}app \S+: 1 positions are missing/m);
  });

  test("no database, no database of ours, a damaged one, one of a newer version", async () => {
    using files = image.copy();
    const { database } = files;
    const good = readFileSync(database);
    const foundWith = async (write: () => void): Promise<string[]> => {
      write();
      const found = problems(await examine(files.dataDir));
      writeFileSync(database, good);
      return found;
    };
    expect(await foundWith(() => rmSync(database))).toEqual(["database"]);
    expect(await foundWith(() => writeFileSync(database, "text"))).toEqual(["database"]);
    const hurt = Buffer.from(good).fill(0xa5, 8192, 20_000);
    expect(await foundWith(() => writeFileSync(database, hurt))).not.toEqual([]);
    const newer = () => change("INSERT INTO kysely_migration VALUES ('9999_future', '')");
    expect(await foundWith(newer)).toEqual(["schema"]);
    expect(await foundWith(() => change("DROP TABLE app_log"))).toEqual(["schema"]);
    function change(statement: string) {
      const connection = new Database(database);
      connection.exec(statement);
      connection.close();
    }
  });

  test("a log file that belongs to another database", async () => {
    using files = image.copy();
    const other = await startTestServer({ settings: { logLevel: "silent" } });
    copyFileSync(join(other.dataDir, "parley.db-wal"), files.wal);
    expect(problems(await examine(files.dataDir))).toContain("log file");
    await other.close();
  });

  test.each([
    [
      "token keys",
      (app: TestServer) =>
        backend(app).admin.setTokenKeys({ keys: [{ key: { case: "hs256Secret", value: "x".repeat(32) } }] }),
    ],
    [
      "a push credential",
      (app: TestServer) => {
        const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
        const keyP8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
        const value = { keyP8, keyId: "ABCDE12345", teamId: "ABCDE12345", topic: "com.example.chat" };
        return backend(app).admin.setPushCredential({ credential: { case: "apnsToken", value } });
      },
    ],
  ])("secrets that others can read, and a secret key of %s that is gone or another one", async (_what, set) => {
    const app = await startTestServer({ settings: { logLevel: "silent" } });
    await set(app);
    await app.running.close();
    expect(problems(await examine(app.dataDir))).toEqual([]);
    chmodSync(app.dataDir, 0o755);
    expect(problems(await examine(app.dataDir))).toEqual(["access"]);
    chmodSync(app.dataDir, 0o700);
    rmSync(join(app.dataDir, "secret-key"));
    expect(problems(await examine(app.dataDir))).toEqual(["secret key"]);
    copyFileSync(join(image.dataDir, "secret-key"), join(app.dataDir, "secret-key"));
    expect(problems(await examine(app.dataDir))).toEqual(["secret key"]);
    await app.close();
  });
});
