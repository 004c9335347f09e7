import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { startTestServer } from "../support/index.js";
import { storeFaults } from "../support/store-check.js";
import { tempFolder } from "../support/temp-store.js";
import { furnish } from "./world.js";

test("the checker of stores finds what is wrong, and nothing else", async () => {
  using folder = tempFolder();
  const server = await startTestServer({ settings: { dataDir: folder.path } });
  await furnish(server);
  await server.running.close();
  expect(storeFaults(folder.path)).toEqual([]);
  const database = new Database(join(folder.path, "parley.db"));
  const breaks: [sql: string, rule: string][] = [
    ["update conversation set head_seq = head_seq + 1", "C2 the seqs"],
    ["update app_log set pos = pos + 1", "C3 the positions"],
    ["delete from event where pos = 3", "C3 the positions"],
    ["delete from audience where pos = 4", "C7 an event"],
    ["update place set member_count = 9", "C7 a place"],
    ["update participant set read_seq = 9", "C8 nobody"],
    ["delete from friend where user_id like 'owner%'", "friendship"],
    ["delete from user", "a session"],
  ];
  for (const [sql, rule] of breaks) {
    database.exec(`begin; ${sql}; commit`);
    expect(storeFaults(folder.path).join("\n"), sql).toContain(rule);
  }
  database.close();
});
