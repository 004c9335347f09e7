import { join } from "node:path";
import Database from "better-sqlite3";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-store.js";
import { FolderLockedError } from "./lock.js";
import type { Db } from "./schema.js";
import { openSqlite } from "./sqlite.js";

const pragma = async (db: Db, name: string) => {
  const { rows } = await sql<Record<string, unknown>>`${sql.raw(`pragma ${name}`)}`.execute(db);
  return Object.values(rows[0] ?? {})[0];
};
const open = (dataDir: string) => openSqlite({ dataDir, busyTimeoutMs: 20 });

describe("openSqlite", () => {
  test("every connection is in WAL with synchronous=FULL, at the first open and at the second", async () => {
    using folder = tempFolder();
    // The second open finds a WAL file, where better-sqlite3 by itself falls back to NORMAL.
    for (const round of [1, 2]) {
      const store = await open(folder.path);
      for (const db of [store.write, store.read]) {
        expect(await pragma(db, "synchronous"), `round ${round}`).toBe(2);
        expect(await pragma(db, "journal_mode")).toBe("wal");
        expect(await pragma(db, "foreign_keys")).toBe(1);
      }
      await store.write
        .insertInto("meta")
        .values({ name: `round ${round}`, value: "" })
        .execute();
      await store.close();
    }
  });

  test("what was written is there after the next open", async () => {
    using folder = tempFolder();
    const first = await open(join(folder.path, "made", "below"));
    await first.write.insertInto("meta").values({ name: "kept", value: "yes" }).execute();
    await first.close();
    const second = await open(join(folder.path, "made", "below"));
    expect(await second.read.selectFrom("meta").selectAll().where("name", "=", "kept").execute()).toHaveLength(1);
    await second.close();
  });

  test("a migration that is cut short leaves nothing, and the next open begins it anew", async () => {
    using folder = tempFolder();
    const foreign = new Database(join(folder.path, "parley.db"));
    // In the way of one of the last tables.
    foreign.exec("create table answered (x)");
    await expect(open(folder.path)).rejects.toThrow(/schema/);
    const tables = () =>
      foreign.prepare("select name from sqlite_master where name in ('app', 'answered')").pluck().all();
    expect(tables()).toEqual(["answered"]);
    foreign.exec("drop table answered");
    await (await open(folder.path)).close();
    expect(tables().sort()).toEqual(["answered", "app"]);
    foreign.close();
  });

  test("a folder in use is refused, and free again after the close", async () => {
    using folder = tempFolder();
    const first = await open(folder.path);
    await expect(open(folder.path)).rejects.toThrow(FolderLockedError);
    await first.write.insertInto("meta").values({ name: "unharmed", value: "" }).execute();
    await first.close();
    await (await open(folder.path)).close();
  });

  test("the reader cannot write, and sees what is committed", async () => {
    using folder = tempFolder();
    const store = await open(folder.path);
    const insert = (db: Db) => db.insertInto("meta").values({ name: "x", value: "" }).execute();
    await expect(insert(store.read)).rejects.toThrow(/readonly|read-only|query_only/i);
    await insert(store.write);
    expect(await store.read.selectFrom("meta").selectAll().where("name", "=", "x").execute()).toHaveLength(1);
    await store.close();
  });
});
