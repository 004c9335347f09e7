import { examineFolder } from "@parley/server";
import { expect } from "vitest";
import type { FakeClock } from "../support/fake-clock.js";
import { eventually, type TestServer } from "../support/index.js";
import { openRows } from "../support/rows.js";

/** Lets retention blank what is out of reach, until nothing is left to do, and has the store examined then. */
export async function eraseAll({ dataDir }: Pick<TestServer, "dataDir">, clock: FakeClock): Promise<void> {
  const rows = openRows(dataDir);
  await eventually(() => {
    clock.advance(60_000);
    expect(rows.all().get("erasure")).toEqual([]);
  });
  rows.close();
  const findings = await examineFolder(dataDir, { quick: false, secretKey: undefined });
  expect(findings.filter(({ state }) => state === "problem")).toEqual([]);
}
