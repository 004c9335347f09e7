import { describe, expect, test } from "vitest";
import { contestants } from "../bench/contestants/index.js";
import { measure } from "../bench/measure.js";
import { smallest } from "../bench/workloads.js";

/** Counts and order only: the harness itself throws on what is lost, doubled or out of order. Speeds are for `npm run bench`. */
describe.each(smallest)("the bench under $name", (workload) => {
  test.each(contestants.filter((contestant) => contestant.suits(workload)))("$name", async (contestant) => {
    const result = await measure(contestant, workload, { warmUpMs: 100, measureMs: 300 });
    expect(result.messages).toBeGreaterThan(0);
    expect(result.checked).toBeGreaterThanOrEqual(result.messages);
  });
});
