import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { figure } from "../support/proofs/figure.js";
import { testsOf, type WrittenTest } from "../support/test-titles.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const document = readFileSync(`${root}docs/behaviours.md`, "utf8");

/** How a row says that it does not hold yet. */
const NOT_YET = "not yet";

/** The rows of the tables: number, the source product, Parley, proof. */
const rows = document
  .split("\n")
  .filter((line) => /^\| (\d+|W\d+) \|/.test(line))
  .map((line) => line.split("|").slice(1, -1).map(trim));

function trim(cell: string): string {
  return cell.trim();
}

const files = new Map<string, WrittenTest[]>();

/** What is wrong with a proof `file › title`; nothing when exactly one test of the file bears the title and always runs. */
function wrongWith(proof: string): string[] {
  const [path = "", title = ""] = proof.split(" › ");
  if (!existsSync(root + path) || !path.endsWith(".test.ts")) return [`${proof}: no such test file`];
  if (path.includes(".full.")) return [`${proof}: of the second tier only`];
  const tests = files.get(path) ?? testsOf(root + path);
  files.set(path, tests);
  const bearers = tests.filter((one) => title !== "" && one.title.includes(title));
  if (bearers.length !== 1) return [`${proof}: ${bearers.length} tests bear it`];
  return bearers[0]?.always ? [] : [`${proof}: not always run`];
}

/** What is wrong with the last cell of a row. */
function problemsOf([number, , , cell = ""]: string[]): string[] {
  if (cell === NOT_YET) return [];
  const proofs = [...cell.matchAll(/`([^`]+)`/g)].map(([, proof = ""]) => proof);
  const written = proofs.map((proof) => `\`${proof}\``).join("<br>");
  if (proofs.length === 0 || cell !== written) return [`row ${number} names no test and does not say "${NOT_YET}"`];
  return proofs.flatMap(wrongWith).map((problem) => `row ${number}: ${problem}`);
}

describe("docs/behaviours.md", () => {
  test("has every row once, in order, and says in each what both do", () => {
    const numbers = rows.map(([number]) => number);
    const weaknesses = numbers.filter((number) => number?.startsWith("W"));
    expect(numbers).toEqual([
      ...Array.from({ length: 78 }, (_, at) => String(at + 1)),
      ...weaknesses.map((_, at) => `W${at + 1}`),
    ]);
    for (const row of rows) {
      expect(row).toHaveLength(4);
      for (const cell of row) expect([row[0], cell]).not.toEqual([row[0], ""]);
    }
  });

  test("names for each row a test that is there and always run, or says that it does not hold yet", (context) => {
    const open = rows.filter(([, , , cell]) => cell === NOT_YET);
    expect(rows.flatMap(problemsOf)).toEqual([]);
    figure(context, `${rows.length - open.length} of ${rows.length} behaviours hold`);
  });
});

describe("the reader of test files", () => {
  const titles = (path: string) => testsOf(root + path).map(({ title, always }) => `${title}${always ? "" : " ?"}`);

  test("finds tests in suites, tables and templates", () => {
    const own = titles("test/integration/behaviours-doc.test.ts");
    expect(own).toContain("the reader of test files > finds tests in suites, tables and templates");
    expect(titles("test/integration/bench-smoke.test.ts")).toContain("the bench under $name > $name");
    expect(titles("test/delivery/streams-stop.test.ts")).toContain(
      "S21: a graceful stop with … streams and sends under way",
    );
  });

  test("tells those that a run may leave out", () => {
    const curl = titles("test/conformance/curl.test.ts");
    expect(curl.length).toBeGreaterThan(5);
    expect(curl.filter((title) => !title.endsWith(" ?"))).toEqual([]);
  });
});
