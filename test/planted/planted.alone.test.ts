import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { figure } from "../support/proofs/figure.js";
import { TIER_2 } from "../support/proofs/tier.js";
import { checkPatch, openWorkbench, type Workbench } from "./workbench.js";

const folder = fileURLToPath(new URL("patches/", import.meta.url));

/** A bug that was made on purpose: a patch whose head says what it breaks and which tests must see it. */
const bugs = readdirSync(folder)
  .sort()
  .map((name) => {
    const patch = `${folder}${name}`;
    const text = readFileSync(patch, "utf8");
    const [, files = ""] = /^Caught by: (.+)$/m.exec(text) ?? [];
    return { name: name.replace(".patch", ""), patch, title: text.split("\n", 1)[0] ?? "", files: files.split(" ") };
  });

describe("M5: planted bugs", () => {
  it.each(bugs)("$name still fits the sources", ({ patch, files }) => {
    expect(() => checkPatch(patch)).not.toThrow();
    expect(files[0]).not.toBe("");
  });

  if (!TIER_2) return;

  describe("in a copy of the sources", () => {
    let bench: Workbench;
    beforeAll(() => {
      bench = openWorkbench();
      bench.build();
    }, 300_000);
    afterAll(() => bench?.close());

    it("the tests named pass without any of them", () => {
      const { passed, said } = bench.test([...new Set(bugs.flatMap(({ files }) => files))]);
      expect(passed, said).toBe(true);
    }, 900_000);

    it.for(bugs)("$name is caught: $title", { timeout: 600_000 }, ({ name, patch, files }, context) => {
      bench.apply(patch, "apply");
      try {
        bench.build();
        const { passed, failures, said } = bench.test(files);
        expect(passed, said).toBe(false);
        expect(failures, said).toBeGreaterThan(0);
        figure(context, `${name.slice(3)}: ${failures} failed`);
      } finally {
        bench.apply(patch, "take back");
      }
    });
  });
});
