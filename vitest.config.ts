import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    passWithNoTests: false,
    reporters: ["default", "./test/support/summary-reporter.ts", "./test/support/proofs/reporter.ts"],
    // One file holds quiet streams open for three minutes: the others go on meanwhile.
    maxWorkers: 4,
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
          exclude: ["test/bench/**", "test/**/*.alone.test.ts", "**/node_modules/**"],
          pool: "forks",
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
          pool: "forks",
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
