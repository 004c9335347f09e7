import { setTimeout as delay } from "node:timers/promises";
import { examineFolder } from "@parley/server";
import { expect } from "vitest";
import { databaseOf, openBeside } from "../support/database.js";
import type { FakeClock } from "../support/fake-clock.js";
import type { TestServer } from "../support/index.js";

// Retention runs once a minute; on a busy machine time passes in its runs too, which puts off the next.
const MOST_SECONDS = 1_000;

/** Lets retention blank what is out of reach, until nothing is left to do, and has the store examined then. */
export async function eraseAll({ dataDir }: Pick<TestServer, "dataDir">, clock: FakeClock): Promise<void> {
  const { db, close } = await openBeside(dataDir);
  const left = db.selectFrom("erasure").select("subject").limit(1);
  for (let second = 0; (await left.execute()).length > 0; second += 1) {
    expect(second, "seconds until all is blanked").toBeLessThan(MOST_SECONDS);
    const waiting = clock.pending;
    clock.advance(1_000);
    // A timer that has rung and is not set again is a run under way: time that passes meanwhile would put off the next.
    for (let turn = 0; turn < 100 && clock.pending < waiting; turn += 1) await delay(10);
  }
  await close();
  const databaseUrl = await databaseOf(dataDir);
  const findings = await examineFolder(dataDir, { quick: false, secretKey: undefined, databaseUrl });
  expect(findings.filter(({ state }) => state === "problem")).toEqual([]);
}
