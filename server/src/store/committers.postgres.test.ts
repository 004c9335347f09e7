import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { databaseOf, freeDatabase } from "../../../test/support/database.js";
import { eventually } from "../../../test/support/index.js";
import { count } from "../../../test/support/messaging.js";
import { openPool } from "../../../test/support/postgres.js";
import { sized } from "../../../test/support/proofs/tier.js";
import { tempFolder } from "../../../test/support/temp-store.js";
import type { LogRange } from "../ports.js";
import { checkLog } from "./check-log.js";
import { type Committer, createCommitter, type Tx } from "./committer.js";
import { openPostgres } from "./postgres.js";
import { postgresWriting } from "./postgres-writing.js";
import type { Db } from "./schema.js";
import type { Store } from "./store.js";

/** What one process has of the database. */
interface Node {
  store: Store;
  committer: Committer;
  ranges: LogRange[];
}

const folder = tempFolder();
let nodes: [Node, Node];
let admin: Db;
beforeAll(async () => {
  const url = (await databaseOf(folder.path)) ?? "";
  admin = openPool(url);
  nodes = [await newNode(url), await newNode(url)];
});
beforeEach(async () => {
  await sql`truncate app_log, generation, event, audience, meta`.execute(admin);
  for (const node of nodes) node.ranges.length = 0;
  nodes = [renewed(nodes[0]), renewed(nodes[1])];
});
afterAll(async () => {
  for (const { committer, store } of nodes) {
    await committer.close();
    await store.close();
  }
  await admin.destroy();
  await freeDatabase(folder.path);
  folder[Symbol.dispose]();
});

async function newNode(url: string): Promise<Node> {
  const store = await openPostgres({ url, unsafe: false, keyMark: "" });
  return renewed({ store, ranges: [] });
}

/** Another committer, as a new process has. `history` stands for what the database says of itself. */
function renewed({ store, ranges }: Pick<Node, "store" | "ranges">, history = store.writing.history): Node {
  const committer = createCommitter({
    write: store.write,
    writing: postgresWriting(history),
    room: store.room,
    batchItems: 16,
    queueItems: 2000,
    now: Date.now,
    onCommit: (range) => void ranges.push(range),
    onFatal: (error) => {
      throw error;
    },
    onBatch: () => undefined,
  });
  return { store, committer, ranges };
}

const emit = (name: string) => async (tx: Tx) =>
  tx.emit({ kind: 1, payload: Buffer.from(name), audiences: ["u:tom", `g:${name}`] });
const both = <T>(work: (node: Node, at: number) => Promise<T>): Promise<T[]> => Promise.all(nodes.map(work));
/** Ends the connections of the nodes, as a database server that is stopped does. */
const cut = () =>
  sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`.execute(
    admin,
  );

test("positions are dense over all nodes, each node tells its own commits in order, and a run sees all commits before it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.boolean(), fc.boolean()), { minLength: 40, maxLength: 40 }),
      async (items) => {
        await sql`truncate app_log, generation, event, audience, meta`.execute(admin);
        for (const node of nodes) node.ranges.length = 0;
        nodes = [renewed(nodes[0]), renewed(nodes[1])];
        const seen: number[] = [];
        await Promise.allSettled(
          items.map(([appId, second, breaks], i) =>
            nodes[second ? 1 : 0].committer.run(appId, async (tx) => {
              const { rows } = await sql<{ n: number }>`
                select count(*) as n from event where app_id = ${appId}`.execute(tx.db);
              // What this transaction has emitted is stored at its end.
              seen.push(tx.head() - (rows[0]?.n ?? 0));
              await emit(String(i))(tx);
              if (breaks) throw new Error("undone");
            }),
          ),
        );
        expect(seen.every((own) => own >= 0 && own < 16)).toBe(true);
        for (const appId of ["a", "b", "c"]) {
          const told = nodes.map(({ ranges }) =>
            ranges.filter((range) => range.appId === appId).flatMap((range) => range.events.map((event) => event.pos)),
          );
          for (const own of told) expect(own).toEqual([...own].sort((a, b) => a - b));
          const kept = items.filter(([id, , breaks]) => id === appId && !breaks);
          expect(told.flat().sort((a, b) => a - b)).toEqual(count(kept.length));
        }
        expect(await checkLog(admin)).toEqual([]);
      },
    ),
    { numRuns: sized(5, 100) },
  );
});

test("all nodes go on in one generation, also new ones, until the history of the database is another", async () => {
  await both(({ committer }, at) => committer.run("a", emit(`first ${at}`)));
  nodes = [renewed(nodes[0]), renewed(nodes[1])];
  await both(({ committer }, at) => committer.run("a", emit(`later ${at}`)));
  const generations = () => admin.selectFrom("generation").selectAll().orderBy("first_pos").execute();
  expect(await generations()).toMatchObject([{ first_pos: 0 }]);
  nodes = [renewed(nodes[0], () => "restored"), renewed(nodes[1], () => "restored")];
  await nodes[0].committer.run("a", async () => undefined);
  expect(await generations()).toHaveLength(1);
  await both(({ committer }, at) => committer.run("a", emit(`restored ${at}`)));
  await both(({ committer }, at) => committer.run("a", emit(`restored again ${at}`)));
  const [, second, ...more] = await generations();
  expect([second?.first_pos, second?.history, more]).toEqual([5, "restored", []]);
  const told = new Set(nodes.flatMap(({ ranges }) => ranges.slice(-2).map((range) => range.generationId)));
  expect([...told]).toEqual([second?.generation_id]);
});

test("a database that says of itself who it is says the same to all, and another after its tables were made anew", async () => {
  await both(({ committer }) => committer.run("a", emit("one")));
  const [one, other] = nodes.map(({ store }) => store.writing.history());
  expect(one).toMatch(/^\d+\.[0-9A-F]{8}\.\d+$/);
  expect(other).toBe(one);
});

test("a connection that is lost fails what was on it, as something that may be tried again, and the next works", async () => {
  const [{ store, committer }] = nodes;
  await committer.run("a", emit("before"));
  await store.read.selectFrom("event").select("pos").execute();
  const during = committer.run("a", async (tx) => {
    await cut();
    await tx.db.selectFrom("meta").selectAll().execute();
  });
  await expect(during).rejects.toMatchObject({ name: "StoreError", kind: "busy" });
  await eventually(async () => expect(await store.read.selectFrom("event").select("pos").execute()).toHaveLength(1));
  expect(await committer.run("a", emit("after"))).toBe(2);
});

test("what another node is in the way of is written again", async () => {
  const [{ committer }] = nodes;
  await committer.run("a", emit("one"));
  let tries = 0;
  const written = committer.run("a", async (tx) => {
    tries += 1;
    if (tries < 3) await sql`do $$ begin raise exception using errcode = '40001'; end $$`.execute(tx.db);
    return await emit("two")(tx);
  });
  expect([await written, tries]).toEqual([2, 3]);
  // Longer than a lock is waited for.
  const held = admin.transaction().execute(async (db) => {
    await sql`select from app_log for update`.execute(db);
    await delay(3_300);
  });
  await delay(50);
  expect(await committer.run("a", emit("three"))).toBe(3);
  await held;
});

test("a full disk refuses what needs room, and heals", async () => {
  const [{ committer }] = nodes;
  const full = committer.run("a", async (tx) => {
    await sql`do $$ begin raise exception using errcode = '53100'; end $$`.execute(tx.db);
  });
  await expect(full).rejects.toMatchObject({ kind: "full" });
  await expect(committer.run("a", emit("refused"))).rejects.toMatchObject({ kind: "full" });
  expect(await committer.run("a", emit("frees"), { frees: true })).toBe(1);
  await eventually(async () => expect(await committer.run("a", emit("again"))).toBeGreaterThan(1));
});

test("a table that a newer node changes is no failure of a statement that was prepared before", async () => {
  const [{ store, committer }] = nodes;
  const { findUser } = await import("./users.js");
  await findUser(store.read, "a", "tom");
  await committer.run("a", async (tx) => await findUser(tx.db, "a", "tom"));
  await sql`alter table "user" add column later integer`.execute(admin);
  expect(await committer.run("a", async (tx) => await findUser(tx.db, "a", "tom"))).toBeUndefined();
  await eventually(async () => expect(await findUser(store.read, "a", "tom")).toBeUndefined());
  await sql`alter table "user" drop column later`.execute(admin);
});

test("counts and sums are numbers, bytes come back as they were given, and a number too large for one is an error", async () => {
  const bytes = new Uint8Array([0, 255, 10, 92]).subarray(1);
  const { rows } = await sql<Record<string, unknown>>`
    select count(*) as n, sum(x) as s, ${bytes}::bytea as b from (values (1::bigint), (2)) v (x)`.execute(admin);
  expect(rows).toEqual([{ n: 2, s: 3, b: Buffer.from(bytes) }]);
  await expect(sql`select 9007199254740993::bigint`.execute(admin)).rejects.toThrow(RangeError);
});
