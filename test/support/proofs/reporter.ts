import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import type { Reporter, TestCase, TestModule } from "vitest/node";
import { CLAIMS, type Claim } from "./claims.js";
import "./figure.js";

const DOC = new URL("../../../docs/reliability.md", import.meta.url);
const BEGIN = "<!-- figures: written by npm run test:all -->";
const END = "<!-- end of figures -->";

/** Says after a whole run which claims of docs/reliability.md were tried and how it went; `npm run test:all` writes it there. */
export default class ProofReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    if (process.env.PARLEY_PROOFS === undefined) return;
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const rows = CLAIMS.map((claim) => rowOf(claim, tests));
    const bad = rows.filter(({ state }) => state !== "pass");
    console.log(`claims: ${rows.length - bad.length} of ${rows.length} hold`);
    for (const { claim, state } of bad) console.log(`  ${claim.id} ${state}: ${claim.attack}`);
    if (process.env.PARLEY_PROOFS === "write") writeTable(rows);
    if (bad.length > 0) process.exitCode = 1;
  }
}

interface Row {
  claim: Claim;
  figures: string[];
  tests: number;
  state: "pass" | "FAIL" | "no test";
}

function rowOf(claim: Claim, tests: readonly TestCase[]): Row {
  const named = new RegExp(`(^| > )${claim.id}\\b`);
  const own = tests.filter((test) => named.test(test.fullName) && test.result().state !== "skipped");
  const failed = own.some((test) => test.result().state !== "passed");
  return {
    claim,
    figures: own.flatMap((test) => test.meta().figures ?? []),
    tests: own.length,
    state: own.length === 0 ? "no test" : failed ? "FAIL" : "pass",
  };
}

function writeTable(rows: readonly Row[]): void {
  const text = readFileSync(DOC, "utf8");
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < 0) throw new Error("docs/reliability.md has lost the marks of its table");
  const day = new Date().toISOString().slice(0, 10);
  const table = [
    BEGIN,
    "",
    `${day}, Node ${process.versions.node}, ${cpus().length} cores.`,
    "",
    "| id | promises | attack | must hold | found | tests | |",
    "|---|---|---|---|---|---|---|",
    ...rows.map(
      ({ claim: { id, promises, attack, bound }, figures, tests, state }) =>
        `| ${id} | ${promises} | ${attack} | ${bound} | ${figures.join("; ") || "as it must"} | ${tests} | ${state} |`,
    ),
    "",
  ];
  writeFileSync(DOC, text.slice(0, begin) + table.join("\n") + text.slice(end));
}
