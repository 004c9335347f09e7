import { defineConfig } from "vitest/config";
import LongestFirst from "./test/support/longest-first.js";

// Files named *.full.* are of the second tier alone.
const exclude = ["**/node_modules/**", ...(process.env.PARLEY_TEST_TIER === "2" ? [] : ["test/**/*.full.*"])];

export default defineConfig({
  test: {
    passWithNoTests: false,
    reporters: ["default", "./test/support/summary-reporter.ts", "./test/support/proofs/reporter.ts"],
    // One file holds quiet streams open for three minutes: the others go on meanwhile.
    maxWorkers: 4,
    // A file need not load again what the one before it in its process has loaded: that is a third of all the work.
    isolate: false,
    server: { deps: { external: [/\/(server|gen|client|web)\/dist\//] } },
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["{server,client,web}/src/**/*.test.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "suites",
          include: ["test/**/*.test.ts"],
          exclude: [...exclude, "test/bench/**", "test/**/*.alone.test.ts"],
          pool: "forks",
          globalSetup: "./test/support/one-file.ts",
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          // What measures, or takes the whole machine: one after the other, when all else is done.
          name: "alone",
          include: ["test/**/*.alone.test.ts"],
          exclude,
          pool: "forks",
          globalSetup: "./test/support/one-file.ts",
          maxWorkers: 1,
          sequence: { groupOrder: 1, sequencer: LongestFirst },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
