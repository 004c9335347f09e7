import { join } from "node:path";
import { examineFolder } from "@parley/server";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrokenStatements, breakStatements, sqliteError } from "../support/broken-statements.js";
import { fakeClock } from "../support/fake-clock.js";
import { openStream, startTestServer, type TestServer } from "../support/index.js";
import { figure } from "../support/proofs/figure.js";
import { TIER_2 } from "../support/proofs/tier.js";
import { scriptedSender } from "../support/push.js";
import { openRows, type Rows, rowsDiff } from "../support/rows.js";
import { tempFolder } from "../support/temp-store.js";
import { call, METHODS } from "./call.js";
import type { Sample } from "./samples.js";
import { callerOf, fresh, furnish, samplesIn, TAKES_AWAY, type World } from "./world.js";

/** What a statement may fail with, and what the caller is told then. A full disk and a broken one are D5's and D6's. */
const FAILURES = [
  { error: () => new Error("injected"), code: "internal", reason: "UNSPECIFIED" },
  { error: () => sqliteError("SQLITE_BUSY"), code: "unavailable", reason: "STORAGE_UNAVAILABLE" },
];

/** What the calls themselves store: the rest is the store's housekeeping. */
const OF_CALLS = { without: ["meta.value"] };

/** Calls that read on after their commit: they may have done all of it, so that a repeat does nothing more (ADR 15). */
const ANSWERS_AFTER = new Set(["MarkRead"]);

/** The end of the tries of one call: more statements than any of them needs. */
const MOST_STATEMENTS = 200;

describe("A20: a call in which a statement fails", () => {
  const folder = tempFolder();
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown) => void rejections.push(reason);
  let server: TestServer;
  let rows: Rows;
  let store: Database.Database;
  let statements: BrokenStatements;
  beforeAll(async () => {
    const limits = { changeBurst: 1e6, loginTries: 1e6 };
    // Its timers never ring, so nothing but the calls themselves uses the store.
    const clock = fakeClock(Date.now());
    // Nobody is pushed: the reader of the log and its worker would use the store too.
    const pushSender = scriptedSender();
    pushSender.can = () => false;
    server = await startTestServer({
      clock,
      limits,
      pushSender,
      settings: { dataDir: folder.path, logLevel: "silent" },
    });
    rows = openRows(server.dataDir);
    // Its data_version changes with every commit of another connection that wrote anything.
    store = new Database(join(server.dataDir, "parley.db"), { readonly: true });
    statements = breakStatements();
    process.on("unhandledRejection", onRejection);
  });
  afterAll(async () => {
    process.off("unhandledRejection", onRejection);
    statements.restore();
    store.close();
    rows.close();
    await server.close();
    folder[Symbol.dispose]();
  });

  /** Fails each statement of a call in turn, until none is left and the call is answered. Gives the number that failed. */
  async function breakEach(sample: Sample, world: World, kind: (typeof FAILURES)[number]): Promise<number> {
    const { method } = sample;
    const who = callerOf(method, world);
    const request = fresh(sample);
    let before = rows.all(OF_CALLS);
    let done = false;
    let version = store.pragma("data_version", { simple: true });
    let again = -1;
    for (let at = 0; at < MOST_STATEMENTS; at += 1) {
      statements.failAfter(at, kind.error());
      const answer = await call(server.url, method, request, who);
      const failed = statements.stop();
      const what = `${sample.name}, statement ${at}: ${failed}`;
      if (failed === undefined) {
        expect(answer, what).not.toMatchObject({ code: expect.stringMatching(/internal|unavailable/) });
        if (done) expect(rowsDiff(before, rows.all(OF_CALLS)), `${what} had done half of it`).toEqual([]);
        return at;
      }
      // Who waited for a credential is looked for behind the call that sets one.
      if (answer.ok && /from "push_(job|template)"/.test(failed)) continue;
      // A stream that has begun ends by a goodbye instead: the next test.
      if (answer.ok && method.methodKind === "server_streaming") continue;
      // Work in the background may have begun a transaction at this very moment: it does not do so twice, as the call itself would.
      if (answer.ok && /^begin immediate/i.test(failed) && again !== at) {
        [again, before, version] = [at, rows.all(OF_CALLS), store.pragma("data_version", { simple: true })];
        at -= 1;
        continue;
      }
      expect(answer, what).toMatchObject({ ok: false, code: kind.code, reason: kind.reason });
      if (!answer.ok) expect(answer.requestId, what).not.toBe("");
      if (!answer.ok) expect(answer.message, what).not.toContain("injected");
      // Most failures leave the file alone; pages that were written and taken back are looked at row by row.
      if (store.pragma("data_version", { simple: true }) === version) continue;
      version = store.pragma("data_version", { simple: true });
      const diff = rowsDiff(before, rows.all(OF_CALLS));
      if (diff.length > 0 && ANSWERS_AFTER.has(method.name) && !done) {
        done = true;
        before = rows.all(OF_CALLS);
      } else expect(diff, `${what} left half of it`).toEqual([]);
    }
    throw new Error(`${sample.name} never ends`);
  }

  test("is refused by name, leaves nothing behind, and works when it is made again", async (context) => {
    let [tried, broken, turn] = [0, 0, 0];
    let world = await furnish(server);
    for (const method of METHODS.values()) {
      // It is answered from memory; what friends are told of it comes after the answer.
      if (method.name === "PauseSession") continue;
      const names = samplesIn(world, method).map(({ name }) => name);
      for (const [at, name] of names.entries()) {
        // Contents differ in nothing that the store sees.
        if (/ (image|audio|video|file|location|custom)$/.test(name)) continue;
        const sample = samplesIn(world, method)[at];
        if (sample === undefined) throw new Error(`no ${name}`);
        tried += 1;
        for (const kind of TIER_2 ? FAILURES : [FAILURES[turn++ % FAILURES.length]])
          if (kind !== undefined) broken += await breakEach(sample, world, kind);
        if (TAKES_AWAY.test(method.name)) world = await furnish(server);
      }
    }
    const findings = await examineFolder(server.dataDir, { quick: false, secretKey: undefined });
    expect(findings.filter(({ state }) => state === "problem")).toEqual([]);
    expect(rejections).toEqual([]);
    figure(
      context,
      `${broken} statements failed in ${tried} calls of ${METHODS.size} RPCs: 0 half states, 0 untyped errors`,
    );
    expect(broken).toBeGreaterThan(200);
  }, 300_000);

  test("and a stream that has begun says goodbye, or goes on, and begins again", async (context) => {
    const { owner, cursor } = await furnish(server);
    let goodbyes = 0;
    for (let at = 0; at < MOST_STATEMENTS; at += 1) {
      statements.failAfter(at, new Error("injected"));
      const stream = openStream(owner, { cursor });
      const end = await Promise.race([stream.ended.then(() => "ended"), stream.frame("caughtUp").then(() => "live")]);
      const failed = statements.stop();
      if (end === "ended" && stream.frames.length > 0) {
        expect(stream.frames.at(-1)).toMatchObject({ case: "goodbye", value: { reconnect: true } });
        goodbyes += 1;
      }
      await stream.close();
      if (failed !== undefined) continue;
      expect(end).toBe("live");
      expect(rejections).toEqual([]);
      figure(context, `a stream broken at each of its ${at} statements: ${goodbyes} goodbyes, then live`);
      return;
    }
    throw new Error("a stream never ends");
  });
});
