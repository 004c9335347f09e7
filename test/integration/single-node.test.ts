import { expect, test } from "vitest";
import { SINGLE_NODE } from "../support/single-node.js";
import { testsOf } from "../support/test-titles.js";

test("every test that a cluster leaves out is there", () => {
  for (const [file, tests] of Object.entries(SINGLE_NODE)) {
    const titles = testsOf(`test/integration/${file}.test.ts`).map(({ title }) => title.split(" > ").at(-1));
    expect(titles.length, file).toBeGreaterThan(0);
    for (const title of Object.keys(tests).filter((name) => name !== "*")) expect(titles, file).toContain(title);
  }
});
