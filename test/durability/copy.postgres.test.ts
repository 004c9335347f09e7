import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { StatisticsResolution } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { Attachment } from "@parley/proto/parley/v1/attachment_pb.js";
import { WordFilterAction } from "@parley/proto/parley/v1/word_filter_pb.js";
import Database from "better-sqlite3";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createSecretBox, loadSecretKey } from "../../server/src/domain/secret-box.js";
import { checkLog } from "../../server/src/store/check-log.js";
import { setMark } from "../../server/src/store/log-file.js";
import { MOVED } from "../../server/src/store/move-tables.js";
import { parley } from "../support/command.js";
import { databaseOf, freeDatabase, serverUrl } from "../support/database.js";
import {
  backend,
  eventually,
  operator,
  startTestServer,
  subscribe,
  type TestServer,
  withToken,
} from "../support/index.js";
import {
  eventsAfter,
  must,
  newGroup,
  newRoom,
  newUsers,
  say,
  says,
  send,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";
import { parleyMain } from "../support/one-file.js";
import { openPool } from "../support/postgres.js";
import { newPhone, pushesTo, scriptedSender } from "../support/push.js";
import { tempFolder } from "../support/temp-store.js";
import { png, upload } from "../support/uploads.js";

const ONE_PIXEL = png(1, 1);
const times = { presenceGraceMs: 300, presenceBootGraceMs: 1_500, drainMs: 200 };

async function run(statement: string, database = "postgres") {
  const db = openPool(serverUrl(database));
  try {
    return (await sql.raw<Record<string, unknown>>(statement).execute(db)).rows;
  } finally {
    await db.destroy();
  }
}

const copy = (from: string, to: string) => parley("copy", "--from", `sqlite:${from}`, "--to", to);

/** Makes something of everything that a server stores, by its calls. */
async function fill(server: TestServer) {
  const { admin } = backend(server);
  const [tom, jerry, spike] = await newUsers(server, ["tom", "jerry", "spike"]);
  const people = { tom: must(tom), jerry: must(jerry), spike: must(spike) };
  await admin.setWordFilter({ enabled: true, action: WordFilterAction.MASK, words: ["bad", "坏话"] });
  await admin.setPushTemplates({ templates: { templates: [{ locale: "en", direct: { body: "new: {text}" } }] } });
  await admin.createServiceKey({ name: "second" });
  await admin.updateSettings({ settings: { allowUserSearch: true } });
  await people.tom.rpc.user.updateUser({ displayName: "Tom Ünï", attributes: { city: "Köln", age: 3 } });
  await people.tom.rpc.friend.addFriend({ userId: people.jerry.userId });
  const group = await newGroup(people.tom, [people.jerry, people.spike]);
  const room = await newRoom(people.tom, [people.jerry]);
  const attachment = await upload(people.tom, ONE_PIXEL, { fileName: "cat.png", mimeType: "image/png" });
  const { attachmentId } = attachment;
  await people.tom.rpc.message.sendMessage({
    receiver: toUser(people.jerry.userId),
    content: { content: { case: "image", value: { attachmentId } } },
  });
  for (let nth = 0; nth < 300; nth++) await say(people.tom, toGroup(group), `line ${nth} 坏话`);
  await send(people.tom, toRoom(room), "in the room");
  const { cursor } = await people.jerry.rpc.message.listEvents({});
  for (const words of ["one", "two", "three"]) await say(people.tom, toUser(people.jerry.userId), words);
  await people.jerry.rpc.conversation.markRead({ peer: toGroup(group), readSeq: 120 });
  await people.spike.rpc.group.leaveGroup({ groupId: group });
  await operator(server).createApp({ name: "other" });
  return { ...people, group, room, attachment, cursor };
}

type World = Awaited<ReturnType<typeof fill>>;

/** What a list of calls that read answer. */
async function readAll(server: TestServer, { tom, jerry, group, room, attachment }: World) {
  const { admin } = backend(server);
  const { rpc } = jerry;
  const answers = {
    conversations: await rpc.conversation.listConversations({}),
    direct: await rpc.history.listMessages({ peer: toUser(tom.userId) }),
    group: await rpc.history.listMessages({ peer: toGroup(group), pageSize: 100 }),
    friends: await rpc.friend.listFriends({}),
    groups: await rpc.group.listGroups({}),
    members: await rpc.group.listGroupMembers({ groupId: group }),
    room: await rpc.room.getRoom({ roomId: room }),
    user: await rpc.user.getUser({ userId: tom.userId }),
    attributes: await tom.rpc.user.getAttributes({}),
    search: await rpc.user.searchUsers({ filters: [{ path: "city", condition: { case: "contains", value: "köl" } }] }),
    sessions: (await rpc.auth.listSessions({})).sessions.map(({ sessionId }) => sessionId),
    events: (await eventsAfter(rpc, "")).events,
    settings: await admin.getSettings({}),
    keys: await admin.listServiceKeys({}),
    words: await admin.listFilterWords({}),
    filter: await admin.getWordFilter({}),
    templates: await admin.getPushTemplates({}),
    audit: await admin.listAuditEntries({}),
    said: (await admin.getStatistics({ resolution: StatisticsResolution.DAILY })).buckets.map(
      ({ messages }) => messages,
    ),
    apps: await operator(server).listApps({}),
    attachment: unsigned((await rpc.attachment.getAttachment({ attachmentId: attachment.attachmentId })).attachment),
  };
  return answers;
}

/** An attachment without the addresses of the moment. */
function unsigned(attachment: Attachment | undefined) {
  const { url: _, thumbnailUrl: __, urlExpireTime: ___, ...rest } = must(attachment);
  return rest;
}

describe("a store that is copied to PostgreSQL", () => {
  const sqlite = { databaseUrl: undefined };
  const folder = tempFolder();
  const dataDir = join(folder.path, "data");
  const sender = scriptedSender();
  let server: TestServer;
  let world: World;
  let phone: Awaited<ReturnType<typeof newPhone>>;
  let before: Awaited<ReturnType<typeof readAll>>;
  let first: Awaited<ReturnType<typeof send>>;
  let url: string;

  beforeAll(async () => {
    mkdirSync(dataDir);
    server = await startTestServer({ settings: { dataDir, ...sqlite }, pushSender: sender, times });
    world = await fill(server);
    first = await send(world.tom, toUser(world.jerry.userId), "once", { clientMessageId: "unanswered" });
    url = serverUrl("moved");
    await run("create database moved template template0 encoding 'UTF8'");
  });
  afterAll(async () => {
    await server.close();
    await run("drop database moved with (force)");
    folder[Symbol.dispose]();
  });

  it("is refused while a server runs on it, and by what is wrong with either side", async () => {
    const running = await copy(dataDir, url);
    expect([running.code, running.stderr]).toEqual([73, expect.stringMatching(/another server uses this data folder/)]);
    const stream = await subscribe(world.tom);
    // A push that waits, and has not been tried so often that it waits for long.
    sender.answer = () => ({ kind: "later", reason: "busy" });
    phone = await newPhone(server);
    await say(world.tom, toUser(phone.userId), "pushed later");
    await pushesTo(sender, phone);
    before = await readAll(server, world);
    await server.running.close();
    await stream.close();
    sender.handed.length = 0;

    const wrong = new URL(url);
    wrong.password = "wrong-hidden";
    const nowhere = new URL(url);
    nowhere.port = "1";
    const refusals: [from: string, to: string, said: RegExp][] = [
      [dataDir, wrong.href, /^69 parley: the database 127\.0\.0\.1:\d+\/moved cannot be used: /],
      [dataDir, nowhere.href, /^69 parley: the database 127\.0\.0\.1:1\/moved cannot be used: .*ECONNREFUSED/],
      [dataDir, "mysql://db/parley", /^1 parley: --to must be postgres:/],
      [join(folder.path, "none"), url, /^1 parley: there is no database in /],
    ];
    for (const [from, to, said] of refusals) {
      const { code, stderr } = await copy(from, to);
      expect(`${code} ${stderr}`).toMatch(said);
      expect(stderr).not.toContain("hidden");
    }
    const back = await parley("copy", "--from", url, "--to", url);
    expect([back.code, back.stderr]).toEqual([1, expect.stringMatching(/pg_dump/)]);
    using full = tempFolder();
    const taken = must(await databaseOf(full.path));
    await run("insert into app_log values ('a', 1, 0)", new URL(taken).pathname.slice(1));
    const filled = await copy(dataDir, taken);
    expect([filled.code, filled.stderr]).toEqual([
      1,
      expect.stringMatching(/is not empty \(the table app_log has rows\)/),
    ]);
    await run("insert into kysely_migration values ('9999_future', '2100')", new URL(taken).pathname.slice(1));
    expect((await copy(dataDir, taken)).stderr).toMatch(/is of another version of Parley/);
    await run("delete from kysely_migration where name = '9999_future'", new URL(taken).pathname.slice(1));
    await freeDatabase(full.path);
  });

  it("is refused when it is of an older version, or holds what PostgreSQL cannot", async () => {
    const changed = async (change: string) => {
      using other = tempFolder();
      copyFileSync(join(dataDir, "parley.db"), join(other.path, "parley.db"));
      const file = new Database(join(other.path, "parley.db"));
      file.exec(change);
      file.pragma("journal_mode = DELETE");
      file.close();
      const { code, stderr } = await copy(other.path, url);
      return `${code} ${stderr}`;
    };
    expect(await changed("delete from kysely_migration where name = '0013_attempts'")).toMatch(
      /^1 .*older version of Parley: start this version on it once/,
    );
    expect(await changed("update user set display_name = 'a' || char(0) || 'b' where user_id like 'jerry%'")).toMatch(
      /^1 parley: display_name of the row \([\w-]+, jerry-\w+\) of the table user holds a text with a NUL, which PostgreSQL cannot store/,
    );
    expect(await changed("update user set kind = 1.5 where user_id like 'jerry%'")).toMatch(
      /^1 parley: kind of .* a whole number/,
    );
    // Nothing of it is left, not even the mark.
    expect(await run("select name from meta", "moved")).toEqual([]);
  });

  it("keeps nothing when a row is another one over there than it was here", async () => {
    const moved = new URL(url).pathname.slice(1);
    // The tables are there since the copies that were refused.
    await run(
      `create function spoil() returns trigger language plpgsql as
         'begin new.display_name = new.display_name || ''!''; return new; end';
       create trigger spoil before insert on "user" for each row execute function spoil()`,
      moved,
    );
    const { code, stderr } = await copy(dataDir, url);
    await run("drop function spoil cascade", moved);
    expect([code, stderr]).toEqual([
      70,
      expect.stringMatching(/the table user differs after the copy: nothing of it was kept/),
    ]);
    expect(await run('select user_id from "user"', moved)).toEqual([]);
  });

  it("begins anew when it was cut short, and no node starts meanwhile", async () => {
    const child = await killedInTheMiddle(dataDir, url);
    expect(child.signalCode).toBe("SIGKILL");
    const serve = await parley("serve", "--port", "0", "--data-dir", dataDir, "--database-url", url);
    expect([serve.code, serve.stderr]).toEqual([
      78,
      expect.stringMatching(/a copy into the database .* cut short: run parley copy again/),
    ]);
    const doctor = await parley("doctor", "--data-dir", dataDir, "--database-url", url, "--json");
    expect(doctor.stdout).toContain("cut short");
    expect(await run("select app_id from app", "moved")).toEqual([]);

    const { code, stdout, stderr } = await parley("copy", "--from", `sqlite:${dataDir}`, "--to", url, "--json");
    expect([code, stderr]).toEqual([0, ""]);
    const { tables } = JSON.parse(stdout) as { tables: { table: string; rows: number }[] };
    expect(tables.map(({ table }) => table)).toEqual(
      Object.entries(MOVED).flatMap(([table, fate]) => (fate === "copied" ? [table] : [])),
    );
    for (const table of [
      "message",
      "attribute",
      "push_job",
      "attachment_use",
      "statistic",
      "audit_entry",
      "filter_word",
    ])
      expect(must(tables.find((one) => one.table === table)).rows, table).toBeGreaterThan(0);
    const again = await copy(dataDir, url);
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/is not empty/)]);
    const db = openPool(url);
    expect(await checkLog(db)).toEqual([]);
    await db.destroy();
  });

  it("goes on where it was: answers, sessions, cursors, repeats, pushes, attachments, presence", async () => {
    sender.answer = () => ({ kind: "sent" });
    server = await startTestServer({ settings: { dataDir, databaseUrl: url }, pushSender: sender, times });
    expect(await readAll(server, movedTo(server, world))).toEqual(before);
    const { tom, jerry, cursor, attachment } = movedTo(server, world);

    const stream = await subscribe(jerry, { cursor });
    await stream.event(says("once"));
    const repeat = await send(tom, toUser(jerry.userId), "once", { clientMessageId: "unanswered" });
    expect(repeat).toMatchObject({ deduplicated: true, message: { messageId: must(first.message).messageId } });
    const next = await say(tom, toUser(jerry.userId), "after");
    expect(next.seq).toBe(must(first.message).seq + 1);
    await stream.event(says("after"));
    expect(stream.frames.map((frame) => frame.case)).not.toContain("resyncRequired");
    // The cursor of before is good in the new generation too.
    const old = await subscribe(jerry, { cursor });
    await old.event(says("after"));

    const [push] = await pushesTo(sender, phone);
    await say(tom, toUser(phone.userId), "and another");
    await pushesTo(sender, phone, 2);
    expect(sender.to(phone.pushToken).filter(({ pushId }) => pushId === must(push).pushId)).toHaveLength(1);
    expect(sender.to(phone.pushToken)).toHaveLength(2);

    const found = await jerry.rpc.attachment.getAttachment({ attachmentId: attachment.attachmentId });
    const bytes = Buffer.from(await (await fetch(must(found.attachment).url)).arrayBuffer());
    expect(bytes.equals(ONE_PIXEL)).toBe(true);
    // Who was here and did not come back is shown so after the grace.
    await eventually(async () => {
      const { presence } = await jerry.rpc.user.getPresence({ userId: tom.userId });
      expect(must(presence).online).toBe(false);
    });
    await stream.close();
    await old.close();
  });

  it("has every table and value of it on the other side, under the key that sealed it", async () => {
    using full = tempFolder();
    for (const name of ["parley.db", "secret-key"]) copyFileSync(join(dataDir, name), join(full.path, name));
    const sealed = createSecretBox(loadSecretKey(full.path, undefined)).seal(Buffer.from("secret"));
    fillEveryTable(join(full.path, "parley.db"), sealed);
    const target = must(await databaseOf(full.path));
    vi.stubEnv("PARLEY_SECRET_KEY", "ab".repeat(32));
    const other = await copy(full.path, target);
    expect([other.code, other.stderr]).toEqual([78, expect.stringMatching(/it does not open the secrets of app/)]);
    vi.unstubAllEnvs();
    const { code, stdout, stderr } = await parley("copy", "--from", `sqlite:${full.path}`, "--to", target, "--json");
    expect([code, stderr]).toEqual([0, ""]);
    const { tables } = JSON.parse(stdout) as { tables: { table: string; rows: number }[] };
    expect(tables.filter(({ rows }) => rows === 0)).toEqual([]);
    const db = openPool(target);
    const names = (await db.selectFrom("meta").select("name").orderBy("name").execute()).map(({ name }) => name);
    // Whether retention had run before the server was stopped is a matter of moments.
    expect(names.filter((name) => name !== "retention_last_run_ms")).toEqual(["first_app", "secret_key_mark", TEXT]);
    const { rows } = await sql`select display_name, avatar_url from "user" where app_id = ${TEXT}`.execute(db);
    expect(rows).toEqual([{ display_name: TEXT, avatar_url: TEXT }]);
    await db.destroy();
    await freeDatabase(full.path);
  });
});

/** The users of a world at the new address of their server, with the tokens that they had. */
function movedTo(server: TestServer, world: World): World {
  const [tom, jerry, spike] = [world.tom, world.jerry, world.spike].map((user) => ({
    ...user,
    rpc: withToken(server, user.token),
  }));
  return { ...world, tom: must(tom), jerry: must(jerry), spike: must(spike) };
}

const TEXT = 'é "quoted" \\ {a,NULL} 🐭';

/** Adds a row to each table, of values that are easily written wrong. */
function fillEveryTable(file: string, sealed: Uint8Array): void {
  const database = new Database(file);
  const tables = database
    .prepare(
      "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name not like 'kysely_%'",
    )
    .pluck()
    .all();
  // Whoever adds a table decides.
  expect(tables.sort()).toEqual(Object.keys(MOVED).sort());
  for (const table of Object.keys(MOVED)) {
    const columns = database.pragma(`table_info("${table}")`) as {
      name: string;
      type: string;
      notnull: number;
      pk: number;
    }[];
    const values = columns.map(({ type, notnull, pk }) => {
      if (notnull === 0 && pk === 0) return null;
      if (/blob/i.test(type)) return sealed;
      if (/text/i.test(type)) return TEXT;
      return /bigint/i.test(type) ? Number.MAX_SAFE_INTEGER : -7;
    });
    database.prepare(`insert into "${table}" values (${columns.map(() => "?")})`).run(values);
  }
  // As one that was stopped in order.
  setMark(database, "even");
  database.pragma("journal_mode = DELETE");
  database.close();
}

/** Kills a copy while it waits for a lock, with half of it done. */
async function killedInTheMiddle(from: string, to: string): Promise<ChildProcess> {
  const name = new URL(to).pathname.slice(1);
  const db = openPool(to);
  const child = spawn(process.execPath, [parleyMain, "copy", "--from", `sqlite:${from}`, "--to", to], {
    stdio: "inherit",
  });
  const ended = once(child, "exit");
  await db.transaction().execute(async (tx) => {
    await sql`lock table push_job in share mode`.execute(tx);
    await eventually(async () => {
      const waiting = await run(
        "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%push_job%'",
        name,
      );
      expect(waiting).toHaveLength(1);
    });
    child.kill("SIGKILL");
    await ended;
  });
  await db.destroy();
  return child;
}
