import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openPostgres } from "../../server/src/store/postgres.js";
import { parley } from "../support/command.js";
import { databaseOf, freeDatabase, serverUrl } from "../support/database.js";
import { startTestServer } from "../support/index.js";
import { type PostgresServer, runStatement, startPostgres } from "../support/postgres.js";
import { figure } from "../support/proofs/figure.js";
import { tempFolder } from "../support/temp-store.js";

const open = (url: string, { unsafe = false, keyMark = "one" } = {}) => openPostgres({ url, unsafe, keyMark });
/** What a start on this database says, as an operator reads it. */
async function refusalOf(url: string): Promise<string> {
  using folder = tempFolder();
  const { code, stderr } = await parley("serve", "--port", "0", "--data-dir", folder.path, "--database-url", url);
  expect(stderr).toMatch(/^parley: .+\n$/);
  return `${code} ${stderr}`;
}

describe("D12: a PostgreSQL server that may lose what it acknowledges", () => {
  let lossy: PostgresServer;
  beforeAll(async () => {
    lossy = await startPostgres(["fsync=off", "full_page_writes=off"]);
  });
  afterAll(() => lossy.stop());

  it("is refused by the name of the setting, unless it is told to go on", async (context) => {
    expect(await refusalOf(lossy.url("postgres"))).toMatch(/^78 parley: the database .* has fsync = off: /);
    await (await open(lossy.url("postgres"), { unsafe: true })).close();
    figure(context, "fsync, full_page_writes and synchronous_commit refused by name");
  });

  it("and so is a database where a commit does not wait for the disk", async () => {
    using folder = tempFolder();
    const url = (await databaseOf(folder.path)) ?? "";
    const name = new URL(url).pathname.slice(1);
    await run(`alter database ${name} set synchronous_commit = off`);
    expect(await refusalOf(url)).toMatch(/ has synchronous_commit = off: /);
    await run(`alter database ${name} set synchronous_commit = remote_apply`);
    await (await open(url)).close();
    await run(`alter database ${name} reset synchronous_commit`);
    await freeDatabase(folder.path);
  });
});

const run = (statement: string, database = "postgres") => runStatement(serverUrl(database), statement);

describe("a start on PostgreSQL", () => {
  it("several at once make the tables once, and each comes up", async () => {
    await run("create database fresh template template0");
    const stores = await Promise.all([1, 2, 3, 4].map(() => open(serverUrl("fresh"))));
    for (const store of stores) await store.close();
    await run("drop database fresh with (force)");
  });

  it("sorts and compares text by its bytes, whatever the locale of the database", async () => {
    await run("create database danish template template0 locale_provider icu icu_locale 'da-DK' locale 'C'");
    const store = await open(serverUrl("danish"));
    const rows = await run(
      `
      select c.relname || '.' || a.attname as name
      from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_collation l on l.oid = a.attcollation
      where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and a.attnum > 0 and l.collname <> 'C'
        and c.relname not like 'kysely%'`,
      "danish",
    );
    expect(rows).toEqual([]);
    await store.close();
    await run("drop database danish with (force)");
  });

  it("refuses a database of another encoding, and one that a newer version wrote", async () => {
    await run("create database ascii template template0 encoding 'SQL_ASCII' locale 'C'");
    expect(await refusalOf(serverUrl("ascii"))).toMatch(/^78 .* has server_encoding = SQL_ASCII: .*UTF8/);
    await run("drop database ascii");
    using folder = tempFolder();
    const url = (await databaseOf(folder.path)) ?? "";
    await run("insert into kysely_migration values ('9999_future', '2100')", new URL(url).pathname.slice(1));
    await expect(open(url)).rejects.toThrow("a newer version of Parley wrote the database");
    expect(await refusalOf(url)).toMatch(/^78 parley: a newer version of Parley wrote the database/);
    await run("delete from kysely_migration where name = '9999_future'", new URL(url).pathname.slice(1));
    await freeDatabase(folder.path);
  });

  it("refuses another secret key than the one the database was begun with", async () => {
    using folder = tempFolder();
    const url = (await databaseOf(folder.path)) ?? "";
    await (await open(url)).close();
    await (await open(url)).close();
    await expect(open(url, { keyMark: "two" })).rejects.toThrow("PARLEY_SECRET_KEY is not the key");
    expect(await refusalOf(url)).toMatch(/^78 parley: PARLEY_SECRET_KEY is not the key/);
    await freeDatabase(folder.path);
  });

  it("says where it cannot go, and never the password", async () => {
    const [wrong, nowhere] = [new URL(serverUrl("postgres")), new URL(serverUrl("no_such_database"))];
    wrong.password = "wrong-hidden";
    for (const url of [wrong.href, nowhere.href]) {
      const said = await refusalOf(url);
      expect(said).toMatch(/^69 parley: the database 127\.0\.0\.1:\d+\/\w+ cannot be used: /);
      expect(said).not.toMatch(/hidden|password@/);
    }
  });
});

describe("the command line on PostgreSQL", () => {
  it("doctor looks at it; backup and restore name what to use", async () => {
    const server = await startTestServer();
    const url = (await databaseOf(server.dataDir)) ?? "";
    const place = ["--data-dir", server.dataDir, "--database-url", url];
    const { code, stdout } = await parley("doctor", ...place, "--json");
    const { healthy, findings } = JSON.parse(stdout) as { healthy: boolean; findings: { check: string }[] };
    expect([code, healthy]).toEqual([0, true]);
    expect(findings.map(({ check }) => check)).toEqual(["server", "schema", "secret key", "log", "attachments"]);
    for (const command of ["backup", "restore"]) {
      const refused = await parley(command, "file", ...place);
      expect([refused.code, refused.stderr]).toEqual([78, expect.stringMatching(/pg_(dump|restore)/)]);
    }
    await server.close();
  });
});
