import { join } from "node:path";
import Database from "better-sqlite3";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ON_POSTGRES } from "../../../test/support/database.js";
import { type TempStore, tempStore } from "../../../test/support/temp-store.js";
import type { NewEvent } from "../ports.js";
import type { Outcome, RunHandler, Tx } from "./committer.js";
import { StoreError } from "./errors.js";

const event = (name: string): NewEvent => ({ kind: 1, payload: Buffer.from(name), audiences: ["u:tom", `g:${name}`] });

/** Stores a name as an event and in the table of meta, whose key breaks the statement for a name that is there. */
const storeNames: RunHandler<string, number> = async (tx, names) => {
  const outcomes: Outcome<number>[] = [];
  for (const name of names) {
    if (name.startsWith("refused")) outcomes.push({ ok: false, error: new Error(name) });
    else {
      const value = tx.emit(event(name));
      await tx.db.insertInto("meta").values({ name, value: "" }).execute();
      outcomes.push({ ok: true, value });
    }
  }
  return outcomes;
};

const emit = (name: string) => async (tx: Tx) => tx.emit(event(name));
const events = async ({ store }: TempStore, appId = "a") =>
  (await store.read.selectFrom("event").selectAll().where("app_id", "=", appId).orderBy("pos").execute()).map(
    (row) => `${row.pos} ${String(row.payload)}`,
  );
const generations = async ({ store }: TempStore) =>
  (await store.read.selectFrom("generation").selectAll().orderBy("first_pos").execute()).map((row) => row.first_pos);
const settle = (promises: Promise<unknown>[]) =>
  Promise.allSettled(promises).then((all) => all.map((one) => (one.status === "fulfilled" ? one.value : "refused")));

describe("committer", () => {
  test("positions are dense in the order of submission, for each app its own, whatever fails between", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom("a", "b"), fc.constantFrom("bulk", "alone", "refused", "broken")), {
          maxLength: 25,
          size: "max",
        }),
        fc.integer({ min: 1, max: 6 }),
        async (items, batchItems) => {
          await using temp = await tempStore({ batchItems });
          const expected: Record<string, string[]> = { a: [], b: [] };
          await settle(
            items.map(([appId, kind], i) => {
              const log = expected[appId] as string[];
              if (kind === "bulk" || kind === "alone") log.push(`${log.length + 1} ${i}`);
              if (kind === "bulk") return temp.committer.submit(appId, storeNames, String(i));
              if (kind === "alone") return temp.committer.run(appId, emit(String(i)));
              if (kind === "refused") return temp.committer.submit(appId, storeNames, `refused ${i}`);
              return temp.committer.run(appId, async (tx) => {
                tx.emit(event("lost"));
                throw new Error("broken");
              });
            }),
          );
          for (const appId of ["a", "b"]) {
            expect(await events(temp, appId)).toEqual(expected[appId]);
            const published = temp.ranges.filter((range) => range.appId === appId).flatMap((range) => range.events);
            expect(published.map((e) => `${e.pos} ${String(e.payload)}`)).toEqual(expected[appId]);
            const heard = await temp.store.read
              .selectFrom("audience")
              .select("pos")
              .where("app_id", "=", appId)
              .where("audience", "=", "u:tom")
              .execute();
            expect(heard).toHaveLength(expected[appId]?.length ?? 0);
          }
        },
      ),
      { numRuns: 10 },
    );
  });

  test("a run with one bad item is written without it, and its neighbours get their answers", async () => {
    await using temp = await tempStore();
    const submit = (name: string) => temp.committer.submit("a", storeNames, name);
    expect(await settle(["x", "y", "x", "z"].map(submit))).toEqual([1, 2, "refused", 3]);
    expect(await events(temp)).toEqual(["1 x", "2 y", "3 z"]);
    expect(temp.ranges).toHaveLength(1);
  });

  test("what is thrown undoes one run alone; its position goes to the next", async () => {
    await using temp = await tempStore();
    const answers = await settle([
      temp.committer.run("a", emit("before")),
      temp.committer.run("a", async (tx) => {
        await tx.db.insertInto("meta").values({ name: "undone", value: "" }).execute();
        tx.emit(event("undone"));
        throw new Error("no");
      }),
      temp.committer.run("a", emit("after")),
    ]);
    expect(answers).toEqual([1, "refused", 2]);
    expect(await events(temp)).toEqual(["1 before", "2 after"]);
    const undone = temp.store.read.selectFrom("meta").selectAll().where("name", "=", "undone");
    expect(await undone.execute()).toEqual([]);
  });

  test("a run sees what stands before it in the batch, and head() counts its own events", async () => {
    await using temp = await tempStore();
    const seen: unknown[] = [];
    const look = async (tx: Tx) => {
      seen.push(
        tx.head(),
        (await tx.db.selectFrom("meta").select("name").where("name", "=", "member").execute()).length,
      );
      return [{ ok: true as const, value: tx.emit(event("sent")) }];
    };
    await Promise.all([
      temp.committer.submit("a", storeNames, "member"),
      temp.committer.submit("a", look, "send"),
      temp.committer.run(
        "a",
        async (tx) => void (await tx.db.deleteFrom("meta").where("name", "=", "member").execute()),
      ),
      temp.committer.submit("a", look, "send"),
    ]);
    expect(seen).toEqual([1, 1, 2, 0]);
    expect(temp.ranges).toHaveLength(1);
  });

  test("effects run after the commit and the range, in order, before the caller is answered; never for what was undone", async () => {
    const order: string[] = [];
    await using temp = await tempStore({ onCommit: () => void order.push("range") });
    const first = temp.committer.run("a", async (tx) => {
      tx.emit(event("one"));
      tx.afterCommit(() => order.push("effect 1"));
    });
    const undone = temp.committer.run("a", async (tx) => {
      tx.afterCommit(() => order.push("undone"));
      throw new Error("no");
    });
    const second = temp.committer.run("a", async (tx) => tx.afterCommit(() => order.push("effect 2")));
    await Promise.all([
      first.then(() => order.push("answer 1")),
      undone.catch(() => order.push("refusal")),
      second.then(() => order.push("answer 2")),
    ]);
    expect(order.slice(0, 3).sort()).toEqual(["effect 1", "effect 2", "range"]);
    expect(order.indexOf("effect 1")).toBeLessThan(order.indexOf("effect 2"));
    expect(order.slice(3)).toEqual(["answer 1", "refusal", "answer 2"]);
  });

  test.skipIf(ON_POSTGRES)("what is published can be read by others already", async () => {
    const seen: unknown[] = [];
    await using temp = await tempStore({
      onCommit({ events: [first] }) {
        const other = new Database(join(temp.dataDir, "parley.db"), { readonly: true });
        seen.push(other.prepare("select pos from event where pos = ?").get(first?.pos));
        other.close();
      },
    });
    await temp.committer.run("a", emit("one"));
    await temp.committer.run("a", emit("two"));
    expect(seen).toEqual([{ pos: 1 }, { pos: 2 }]);
  });

  test("nothing is to be seen before the commit", async () => {
    await using temp = await tempStore();
    await temp.committer.run("a", emit("one"));
    const during = await temp.committer.run("a", async (tx) => {
      await tx.db.insertInto("meta").values({ name: "new", value: "" }).execute();
      return await temp.store.read.selectFrom("meta").selectAll().where("name", "=", "new").execute();
    });
    expect(during).toEqual([]);
  });

  test.skipIf(ON_POSTGRES)(
    "a generation is stored with the first event of each process, and none for a process that writes nothing",
    async () => {
      await using temp = await tempStore();
      await temp.committer.run("a", async () => undefined);
      expect(await generations(temp)).toEqual([0]);
      await temp.committer.run("a", emit("1"));
      await temp.committer.run("a", emit("2"));
      expect(await generations(temp)).toEqual([0]);
      await temp.restart();
      await temp.committer.run("a", async () => undefined);
      await temp.restart();
      await temp.committer.run("a", async () => undefined);
      await settle([temp.committer.submit("a", storeNames, "refused")]);
      expect(await generations(temp)).toEqual([0]);
      await temp.committer.run("a", emit("3"));
      await temp.committer.run("a", emit("4"));
      expect(await generations(temp)).toEqual([0, 3]);
      const last = temp.ranges.at(-1);
      const stored = await temp.store.read.selectFrom("generation").selectAll().where("first_pos", "=", 3).execute();
      expect(stored[0]?.generation_id).toBe(last?.generationId);
      expect(last?.generationFirstPos).toBe(3);
    },
  );

  test.skipIf(ON_POSTGRES)(
    "a process whose first event is undone begins its generation later, at the right position",
    async () => {
      await using temp = await tempStore();
      await temp.committer.run("a", emit("1"));
      await temp.restart();
      await settle([
        temp.committer.run("a", async (tx) => {
          tx.emit(event("undone"));
          throw new Error("no");
        }),
      ]);
      expect(await generations(temp)).toEqual([0]);
      await temp.committer.run("a", emit("2"));
      expect(await generations(temp)).toEqual([0, 2]);
    },
  );

  test("a batch that cannot be committed fails as a whole, with the store's reason, and its positions are given again", async () => {
    await using temp = await tempStore({ room: { isThere: () => true, lost: () => undefined, tend: () => undefined } });
    await temp.committer.run("a", emit("one"));
    await temp.restart();
    const full = Object.assign(new Error("full"), { code: "SQLITE_FULL" });
    const broken = await Promise.allSettled([
      temp.committer.run("a", emit("lost")),
      temp.committer.run("a", async () => {
        throw full;
      }),
    ]);
    for (const { reason } of broken as PromiseRejectedResult[])
      expect(reason).toMatchObject({ kind: "full", cause: full });
    expect(await temp.committer.run("a", emit("two"))).toBe(2);
    expect(await events(temp)).toEqual(["1 one", "2 two"]);
    // A new process goes on in the generation of before where nothing can be lost by a start.
    expect(await generations(temp)).toEqual(ON_POSTGRES ? [0] : [0, 2]);
    expect(temp.ranges.flatMap((range) => range.events.map((e) => e.pos))).toEqual([1, 2]);
  });

  test("on a full disk only what frees space is written, until there is room", async () => {
    let room = true;
    const lost = () => {
      room = false;
    };
    await using temp = await tempStore({ room: { isThere: () => room, lost, tend: () => undefined } });
    const full = Object.assign(new Error("full"), { code: "SQLITE_FULL" });
    const run = (name: string, frees = false) => temp.committer.run("a", emit(name), { frees });
    await expect(temp.committer.run("a", () => Promise.reject(full))).rejects.toMatchObject({ kind: "full" });
    expect(await settle([run("refused"), run("frees", true), run("refused too")])).toEqual(["refused", 1, "refused"]);
    room = true;
    expect(await run("again")).toBe(2);
    expect(await events(temp)).toEqual(["1 frees", "2 again"]);
  });

  test("a failure that the store cannot be trusted after is told, once the callers know", async () => {
    const fatal: StoreError[] = [];
    await using temp = await tempStore({ onFatal: (error) => void fatal.push(error) });
    const broken = temp.committer.run("a", async () => {
      throw Object.assign(new Error("fsync"), { code: "SQLITE_IOERR_FSYNC" });
    });
    await expect(broken).rejects.toMatchObject({ kind: "fatal" });
    expect(fatal.map((error) => error.kind)).toEqual(["fatal"]);
    expect(temp.ranges).toEqual([]);
  });

  test("takes as many as its queue holds, and refuses one more at once", async () => {
    await using temp = await tempStore({ queueItems: 3 });
    const answers = ["1", "2", "3", "4"].map((name) => temp.committer.submit("a", storeNames, name));
    await expect(answers[3]).rejects.toEqual(new StoreError("overloaded"));
    expect(await Promise.all(answers.slice(0, 3))).toEqual([1, 2, 3]);
    expect(await temp.committer.submit("a", storeNames, "5")).toBe(4);
  });

  test("a batch holds what its weight allows, and at least one item", async () => {
    const batches: number[] = [];
    await using temp = await tempStore({ batchItems: 10, onBatch: (items) => void batches.push(items) });
    await Promise.all(
      [4, 4, 4, 50, 1, 9, 1].map((weight, i) => temp.committer.submit("a", storeNames, `${i}`, weight)),
    );
    expect(batches).toEqual([3, 1, 2, 1]);
  });

  test("close waits for what is queued and takes no more", async () => {
    await using temp = await tempStore({ batchItems: 1 });
    const answers = [temp.committer.run("a", emit("1")), temp.committer.run("a", emit("2"))];
    let answered = 0;
    for (const answer of answers) void answer.then(() => answered++);
    await temp.committer.close();
    expect(answered).toBe(2);
    await expect(temp.committer.run("a", emit("3"))).rejects.toEqual(new StoreError("closed"));
    await temp.committer.close();
  });
});
