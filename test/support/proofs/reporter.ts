import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import type { Reporter, TestCase, TestModule } from "vitest/node";
import { CLAIMS, type Claim } from "./claims.js";
import "./figure.js";
import { TIER_2 } from "./tier.js";

const DOC = new URL("../../../docs/reliability.md", import.meta.url);
const BEGIN = "<!-- figures: written by npm run test:all -->";
const END = "<!-- end of figures -->";

/**
 * Says after a run which claims of docs/reliability.md were tried and how it went; `npm run test:all` writes it there. A run of some files
 * writes the rows of what they try, and leaves each other row as the run that tried it wrote it.
 */
export default class ProofReporter implements Reporter {
  readonly #over: TestModule[] = [];

  /** What is over is written at once: a run of many minutes that is stopped keeps what it has found. */
  onTestModuleEnd(module: TestModule): void {
    if (process.env.PARLEY_PROOFS !== "write") return;
    this.#over.push(module);
    writeTable(rowsOf(this.#over));
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    if (process.env.PARLEY_PROOFS === undefined) return;
    const rows = rowsOf(modules);
    const bad = rows.filter(({ state }) => state !== "pass");
    console.log(`claims: ${rows.length - bad.length} of ${rows.length} hold`);
    for (const { claim, state } of bad) console.log(`  ${claim.id} ${state}: ${claim.attack}`);
    if (process.env.PARLEY_PROOFS === "write") writeTable(rows);
    if (bad.length > 0) process.exitCode = 1;
  }
}

/** A row for each claim: as these modules tried it, or else as the table has it. */
function rowsOf(modules: readonly TestModule[]): Row[] {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const kept = process.env.PARLEY_PROOFS === "write" ? keptRows() : new Map<string, Row>();
  return CLAIMS.map((claim) => {
    const row = rowOf(claim, tests);
    return row.state === "no test" ? (kept.get(claim.id) ?? row) : row;
  });
}

interface Row {
  claim: Claim;
  /** What was measured, in one text. */
  found: string;
  tests: number;
  /** The day, and the size of the suite. */
  day: string;
  state: string;
}

function rowOf(claim: Claim, tests: readonly TestCase[]): Row {
  const named = new RegExp(`(^| > )${claim.id}\\b`);
  const own = tests.filter((test) => named.test(test.fullName) && test.result().state !== "skipped");
  const failed = own.some((test) => test.result().state !== "passed");
  return {
    claim,
    found: own.flatMap((test) => test.meta().figures ?? []).join("; ") || (own.length === 0 ? "" : "as it must"),
    tests: own.length,
    day: `${new Date().toISOString().slice(0, 10)}, tier ${TIER_2 ? 2 : 1}`,
    state: own.length === 0 ? "no test" : failed ? "FAIL" : "pass",
  };
}

/** The text before the table, the table, and the text behind it. */
function partsOfDoc(): [before: string, table: string, after: string] {
  const text = readFileSync(DOC, "utf8");
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < 0) throw new Error("docs/reliability.md has lost the marks of its table");
  return [text.slice(0, begin), text.slice(begin, end), text.slice(end)];
}

/** The rows that earlier runs wrote. */
function keptRows(): Map<string, Row> {
  const cells = partsOfDoc()[1]
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));
  return new Map(
    CLAIMS.flatMap((claim) => {
      const [, , , , , found = "", tests = "0", day = "", state = ""] = cells.find(([, id]) => id === claim.id) ?? [];
      return state === "" ? [] : [[claim.id, { claim, found, tests: Number(tests), day, state }]];
    }),
  );
}

function writeTable(rows: readonly Row[]): void {
  const [before, , after] = partsOfDoc();
  const table = [
    BEGIN,
    "",
    `Node ${process.versions.node}, ${cpus().length} cores.`,
    "",
    "| id | promises | attack | must hold | found | tests | on | |",
    "|---|---|---|---|---|---|---|---|",
    ...rows.map(
      ({ claim: { id, promises, attack, bound }, found, tests, day, state }) =>
        `| ${id} | ${promises} | ${attack} | ${bound} | ${found.replaceAll("|", "/")} | ${tests} | ${day} | ${state} |`,
    ),
    "",
  ];
  writeFileSync(DOC, before + table.join("\n") + after);
}
