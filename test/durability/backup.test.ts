import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { backupStore, restoreStore } from "@parley/server";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkLog } from "../../server/src/store/check-log.js";
import { openReader } from "../../server/src/store/reader.js";
import { openSqlite } from "../../server/src/store/sqlite.js";
import { parleyProcess } from "../support/command.js";
import { login, type TestUser } from "../support/index.js";
import { must, say, toUser } from "../support/messaging.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { TEMP_PARENT } from "../support/temp-parent.js";
import { tempFolder } from "../support/temp-store.js";

const SENDERS = 8;
const FILL = sized(400, 40_000);
const CALM_MS = sized(500, 3_000);
const TEXT = "x".repeat(2_000);

describe("D10: backup under load", { timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(TEMP_PARENT, "parley-backup-"));
  const dataDir = join(folder, "data");
  const file = join(folder, "backup.db");
  const restored = join(folder, "restored");
  let server: ProcessServer;
  let users: TestUser[];

  beforeAll(async () => {
    server = await spawnServer({ dataDir, port: await freePort() });
    const names = Array.from({ length: SENDERS }, (_, at) => `sender-${at}`);
    users = await Promise.all(names.map((name) => login(server, name)));
    await load((sent) => sent >= FILL);
  }, 300_000);

  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("is whole up to its head, holds all that was acknowledged before it, and hardly slows the sends", async (context) => {
    const calm = await load((_, ms) => ms > CALM_MS);
    const acked = calm.ids;
    let running = true;
    const backup = parleyProcess("backup", file, "--data-dir", dataDir, "--json").finally(() => {
      running = false;
    });
    const busy = await load(() => !running);
    const { code, stdout, stderr } = await backup;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({ file, bytes: statSync(file).size });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(["backup.db", "data"]);

    expect(await restoreStore(file, restored, { keepName: "", onProgress: () => undefined })).toEqual({ kept: false });
    const { db, close } = openReader(join(restored, "parley.db"));
    try {
      expect(await checkLog(db)).toEqual([]);
      const rows = await db.selectFrom("message").select("message_id").execute();
      const held = new Set(rows.map((row) => row.message_id));
      expect(acked.filter((id) => !held.has(id))).toEqual([]);
      expect(p99(busy.took)).toBeLessThan(Math.max(10 * p99(calm.took), 1_000));
      figure(
        context,
        `${(statSync(file).size / 1024 / 1024).toFixed(0)} MiB, ${rows.length} messages, ${busy.ids.length} sent meanwhile, p99 ${p99(calm.took).toFixed(0)} ms before, ${p99(busy.took).toFixed(0)} ms during`,
      );
    } finally {
      await close();
    }
  });

  it("is one moment, whatever is written while it is made", async () => {
    using source = tempFolder();
    await (await openSqlite({ dataDir: source.path, busyTimeoutMs: 20 })).close();
    const other = new Database(join(source.path, "parley.db"));
    const count = (of: Database.Database) => of.prepare("SELECT count(*) FROM meta").pluck().get();
    const before = count(other);
    const write = () => other.prepare("INSERT INTO meta VALUES (hex(randomblob(8)), '')").run();
    const copy = join(source.path, "copy.db");
    await backupStore(source.path, copy, { force: false, onProgress: write });
    expect(count(other)).toBeGreaterThan(Number(before));
    other.close();
    const held = new Database(copy, { readonly: true });
    expect(count(held)).toBe(before);
    held.close();
  });

  it("replaces a file only when it is forced, and leaves nothing behind when it fails", async () => {
    writeFileSync(join(folder, "mine"), "mine");
    const refused = await parleyProcess("backup", join(folder, "mine"), "--data-dir", dataDir);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^parley: .*mine is there already.*--force/);
    await backupStore(dataDir, join(folder, "mine"), { force: true, onProgress: () => undefined });
    expect(statSync(join(folder, "mine")).size).toBeGreaterThan(100_000);
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it("restore refuses while a server runs on the folder, and what is no backup, and then changes nothing", async () => {
    const locked = await parleyProcess("restore", join(folder, "mine"), "--data-dir", dataDir);
    expect(locked).toMatchObject({ code: 73, stdout: "" });
    expect(locked.stderr).toMatch(/another server uses this data folder/);
    await say(must(users[0]), toUser("sender-1"), "unharmed");
    const there = readdirSync(restored);
    writeFileSync(join(folder, "text"), "no database at all");
    const restore = restoreStore(join(folder, "text"), restored, { keepName: "", onProgress: () => undefined });
    await expect(restore).rejects.toMatchObject({ name: "DatabaseFileError", kind: "damaged" });
    expect(readdirSync(restored).filter((name) => name !== "parley.lock")).toEqual(
      there.filter((name) => name !== "parley.lock"),
    );
  });

  /** Sends from all users at once until it is enough, and tells what was acknowledged and how long each took. */
  async function load(enough: (sent: number, ms: number) => boolean): Promise<{ ids: string[]; took: number[] }> {
    const began = performance.now();
    const ids: string[] = [];
    const took: number[] = [];
    const work = users.map(async (from, at) => {
      while (!enough(ids.length, performance.now() - began)) {
        const sent = performance.now();
        const { messageId } = await say(from, toUser(`sender-${(at + 1) % SENDERS}`), TEXT);
        took.push(performance.now() - sent);
        ids.push(messageId);
      }
    });
    await Promise.all(work);
    return { ids, took };
  }
});

function p99(took: readonly number[]): number {
  const sorted = [...took].sort((a, b) => a - b);
  return must(sorted[Math.floor(sorted.length * 0.99)]);
}
