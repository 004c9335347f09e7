import { describe, expect, it } from "vitest";
import { generationAt, readLogState, refusalOf } from "../../server/src/store/log.js";
import { figure } from "../support/proofs/figure.js";
import { longTimeout, sized, TIER_2 } from "../support/proofs/tier.js";
import { tempStore } from "../support/temp-store.js";
import { type GenerationFault, generations, type Held, type History, mustBeRefused } from "./generations.js";
import { allPaths, search } from "./search.js";

const APP = "app";
const small: History["left"] = { write: 4, start: 2, lose: 2, backup: 1, restore: 1, trim: 1 };
const large: History["left"] = { write: 6, start: 2, lose: 2, backup: 2, restore: 2, trim: 1 };

/** A real log, written by the real committer; a lost tail and a restored backup are put there by SQL. */
async function realLog() {
  const temp = await tempStore();
  const { read, write } = temp.store;
  const emit = (count: number) =>
    temp.committer.run(APP, async (tx) => {
      for (let i = 0; i < count; i++) tx.emit({ kind: 1, payload: Buffer.alloc(1), audiences: ["*"] });
    });
  /** The places of all cursors that were handed out, in the order of the model. */
  const held: Pick<Held, "pos" | "generationId">[] = [];
  const handOut = async () => {
    const state = await readLogState(read, APP);
    held.push({ pos: state.head, generationId: generationAt(state, state.head) });
  };
  const tables = ["app_log", "generation", "event", "audience"] as const;
  let backup: { table: (typeof tables)[number]; rows: object[] }[] = [];

  const shorten = async (count: number) => {
    const head = (await readLogState(read, APP)).head - count;
    for (const table of ["event", "audience"] as const) await write.deleteFrom(table).where("pos", ">", head).execute();
    await write.deleteFrom("generation").where("first_pos", ">", head).execute();
    await write.updateTable("app_log").set({ pos: head }).execute();
  };
  const steps: Record<string, () => Promise<void>> = {
    async write() {
      await emit(1);
      await handOut();
    },
    start: () => temp.restart(),
    "lose 1": () => shorten(1).then(temp.restart),
    "lose 2": () => shorten(2).then(temp.restart),
    async backup() {
      backup = [];
      for (const table of tables) backup.push({ table, rows: await read.selectFrom(table).selectAll().execute() });
    },
    async restore() {
      for (const { table, rows } of backup) {
        await write.deleteFrom(table).execute();
        if (rows.length > 0)
          await write
            .insertInto(table)
            .values(rows as never)
            .execute();
      }
      await temp.restart();
    },
  };
  await emit(0);
  await handOut();
  return {
    held,
    step: (name: string) => steps[name]?.(),
    state: () => readLogState(read, APP),
    [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose](),
  };
}

describe("M4: generations", { timeout: longTimeout }, () => {
  it("let on exactly those who saw nothing that was lost, in every history", (context) => {
    const found = search(generations(TIER_2 ? large : small));
    expect(found.wrong).toBeUndefined();
    figure(context, `generations: ${found.states} histories of crashes, lost tails and restores, none bad`);
  });

  it("are begun by the committer as in the model", async (context) => {
    const left = { ...small, write: 3, trim: 0 };
    const paths = allPaths(generations(left)).filter(({ path }) => path.at(-1) === "write");
    const tried = paths.filter((_, at) => at % Math.ceil(paths.length / sized(60, 600)) === 0);
    let cursors = 0;
    for (const { path, state } of tried) {
      await using real = await realLog();
      for (const name of path) await real.step(name);
      const now = await real.state();
      const way = path.join(", ");
      expect(now.head, way).toBe(state.disk.events.length);
      expect(
        now.generations.map(({ firstPos }) => firstPos),
        way,
      ).toEqual(state.disk.generations.map(({ firstPos }) => firstPos));
      expect(
        real.held.map((place) => refusalOf(now, place) !== undefined),
        way,
      ).toEqual(state.cursors.map((cursor) => mustBeRefused(state.disk, cursor)));
      cursors += real.held.length;
    }
    figure(context, `the committer agreed with the model in ${tried.length} histories, ${cursors} cursors`);
  });

  const faults: GenerationFault[] = [
    "generation ignored",
    "one past the end accepted",
    "no new generation after a crash",
  ];
  it.each(faults)("are found broken with a fault built in: %s", (fault) => {
    expect(search(generations(small, fault)).wrong?.what).toMatch(/stale|needless/);
  });
});
