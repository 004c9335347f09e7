import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkLog } from "../../server/src/store/check-log.js";
import { type Committer, createCommitter } from "../../server/src/store/committer.js";
import type { LogPlace } from "../../server/src/store/cursor.js";
import { generationAt, readLogState, refusalOf } from "../../server/src/store/log.js";
import { openSqlite } from "../../server/src/store/sqlite.js";
import type { Store } from "../../server/src/store/store.js";
import { type CrashImage, crashImage } from "../support/crash-image.js";
import { must } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { seed, sized } from "../support/proofs/tier.js";
import { random as randomBelow } from "../support/random.js";
import { tempFolder } from "../support/temp-store.js";

const APP = "app";
const EVENTS = 200;
const PAYLOAD = 1500;
const TIMES_EACH = sized(12, 100);
const SEED = seed();
const random = randomBelow(SEED);

/** A client: the place it was given, and the log as it knows it up to there. */
interface Client {
  place: LogPlace;
  saw: readonly string[];
}

/** What kill -9 would leave at a moment, and all clients of that time. */
interface Moment {
  image: CrashImage;
  clients: readonly Client[];
}

/** What happens to the files before the next start. */
type Damage = (files: CrashImage) => void;

describe("D8: damaged, shortened and replaced files", { timeout: 240_000 }, () => {
  const moments: Moment[] = [];
  /** Caught between the move of the log into the database and the first write after it. */
  const folded: Moment[] = [];
  const folder = tempFolder();

  beforeAll(async () => {
    const life = await begin(folder.path);
    const clients: Client[] = [];
    for (let i = 1; i <= EVENTS; i++) {
      await life.write(`first ${i}`);
      clients.push(await life.client());
      if (i % 30 === 0) moments.push({ image: crashImage(folder.path), clients: [...clients] });
      if (i % 65 !== 0) continue;
      const mover = new Database(join(folder.path, "parley.db"));
      mover.pragma("wal_checkpoint(PASSIVE)");
      mover.close();
      folded.push({ image: crashImage(folder.path), clients: [...clients] });
      life.store.room.tend();
    }
    await life.end();
  });

  afterAll(() => {
    for (const { image } of [...moments, ...folded]) image[Symbol.dispose]();
    folder[Symbol.dispose]();
  });

  const shorten: Damage = ({ wal }) => {
    truncateSync(wal, random(readFileSync(wal).length));
  };
  const flip: Damage = ({ wal }) => {
    const bytes = readFileSync(wal);
    const at = random(bytes.length);
    bytes[at] = must(bytes[at]) ^ (1 << random(8));
    writeFileSync(wal, bytes);
  };
  const removeLog: Damage = ({ wal }) => rmSync(wal);
  /** The database alone of an earlier moment beside the log of today, as a careless copy leaves it. */
  const olderBesideLog: Damage = ({ database }) => {
    writeFileSync(database, readFileSync(pick(moments).image.database));
  };
  const olderAlone: Damage = (files) => {
    olderBesideLog(files);
    removeLog(files);
  };
  const cases: [name: string, damage: Damage, of: Moment[]][] = [
    ["the log shortened at a random byte", shorten, moments],
    ["a bit of the log flipped", flip, moments],
    ["the log removed", removeLog, moments],
    ["yesterday's database", olderAlone, moments],
    ["yesterday's database beside today's log", olderBesideLog, moments],
    ["the log shortened after it was moved into the database", shorten, folded],
    ["a bit of it flipped then", flip, folded],
    ["the log removed then", removeLog, folded],
  ];

  it.each(cases)("%s: told or refused, never mixed up", async (name, damage, of) => {
    const tally = { started: 0, refused: 0, told: 0, resumed: 0 };
    for (let i = 0; i < TIMES_EACH; i++) {
      const { image, clients } = pick(of);
      using files = image.copy();
      damage(files);
      const life = await begin(files.dataDir).catch(refusedClearly);
      if (life === undefined) {
        tally.refused += 1;
        continue;
      }
      tally.started += 1;
      await life.judge(clients, tally);
      // A new life gives out the lost numbers again; then it loses its own end too.
      const later = [...clients];
      for (let n = 1; n <= 6; n++) {
        await life.write(`second ${i} ${n}`);
        later.push(await life.client());
      }
      await life.judge(later, tally);
      using again = crashImage(files.dataDir);
      await life.end();
      if (!existsSync(again.wal)) continue;
      shorten(again);
      const third = await begin(again.dataDir);
      await third.judge(later, tally);
      await third.write("third");
      await third.judge(later, tally);
      await third.end();
    }
    expect(tally.started + tally.refused).toBe(TIMES_EACH);
    summary.push({ name, ...tally });
  });

  const summary: { name: string; started: number; refused: number; told: number; resumed: number }[] = [];

  it("and both outcomes were seen", (context) => {
    const sum = (key: "started" | "refused" | "told" | "resumed") => summary.reduce((all, one) => all + one[key], 0);
    for (const key of ["started", "refused", "told", "resumed"] as const) expect(sum(key)).toBeGreaterThan(0);
    // What only lost its end always starts.
    for (const { name, refused } of summary.slice(0, 4)) expect([name, refused]).toEqual([name, 0]);
    figure(
      context,
      `${sum("started") + sum("refused")} damages: ${sum("refused")} refused at the start, else ${sum("told")} cursors told and ${sum("resumed")} resumed, 0 stale, 0 needless`,
    );
  });

  const pick = <T>(all: readonly T[]): T => must(all[random(all.length)]);
});

function refusedClearly(error: unknown): undefined {
  expect(error).toMatchObject({ name: "DatabaseFileError", kind: "damaged" });
  expect(String(error)).toMatch(/the store is damaged: .*parley restore/s);
}

/** A life of a server's store: from its start to its end. */
async function begin(dataDir: string) {
  const store: Store = await openSqlite({ dataDir, busyTimeoutMs: 20 });
  const committer: Committer = createCommitter({
    write: store.write,
    writing: store.writing,
    room: store.room,
    batchItems: 256,
    queueItems: 2000,
    now: Date.now,
    onCommit: () => undefined,
    onFatal: (error) => {
      throw error;
    },
    onBatch: () => undefined,
  });
  const log = async (): Promise<string[]> => {
    const rows = await store.read.selectFrom("event").select("payload").orderBy("pos").execute();
    return rows.map(({ payload }) => String(payload).trimEnd());
  };
  const known = await log();
  return {
    store,
    /** Adds an event, and a row elsewhere, so that a commit touches many pages. */
    async write(text: string) {
      await committer.run(APP, async (tx) => {
        await tx.db
          .insertInto("meta")
          .values({ name: `${random(1e9)} ${text}`, value: "x".repeat(200) })
          .execute();
        return tx.emit({ kind: 1, payload: Buffer.from(text.padEnd(PAYLOAD)), audiences: ["u:tom", `g:${text}`] });
      });
      known.push(text);
    },
    /** A client that has everything up to now. */
    async client(): Promise<Client> {
      const state = await readLogState(store.read, APP);
      return { place: { generationId: generationAt(state, state.head), pos: state.head }, saw: [...known] };
    },
    /** Holds the answer to each client's cursor against what it saw. */
    async judge(clients: readonly Client[], tally: { told: number; resumed: number }) {
      const state = await readLogState(store.read, APP);
      const now = await log();
      expect(await checkLog(store.read), `seed ${SEED}`).toEqual([]);
      for (const { place, saw } of clients) {
        const lost = saw.some((text, at) => now[at] !== text);
        const refusal = refusalOf(state, place);
        const wrong = lost ? "a stale cursor was resumed" : "a needless resync";
        expect(refusal, `${wrong} at ${place.pos}, seed ${SEED}`).toBe(lost ? "history_changed" : undefined);
        if (lost) tally.told += 1;
        else tally.resumed += 1;
      }
    },
    async end() {
      await committer.close();
      await store.close();
    },
  };
}
