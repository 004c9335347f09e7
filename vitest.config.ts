import { defineConfig } from "vitest/config";
import LongestFirst from "./test/support/longest-first.js";
import { natsInstalled } from "./test/support/nats-installed.js";

const TIER_2 = process.env.PARLEY_TEST_TIER === "2";
// Files named *.full.* are of the second tier alone.
const exclude = ["**/node_modules/**", ...(TIER_2 ? [] : ["test/**/*.full.*"])];

/**
 * What runs on PostgreSQL too, beside the files named *.postgres.*, which run there alone. In the first tier it is what has the most different statements:
 * the differential suite tries the rest.
 */
const ON_BOTH = [
  "server/src/store/{attachment-uses,committer,compiled,dissolved,push-counts,seq-since}.test.ts",
  "test/integration/{attachments,groups,list-events}.test.ts",
  ...(TIER_2
    ? [
        "server/src/store/{erase,visible}.test.ts",
        "server/src/{domain,push}/{retention,store-sends,recipients}.test.ts",
      ]
    : []),
  // Left out: what counts on the order in which SQLite's one connection answers, and what has servers of its own.
  ...(TIER_2 ? ["test/integration/!(installations|bench-smoke).test.ts"] : []),
];

/** The integration suites on three nodes behind a balancer, which each call comes to by a connection of its own; a few of them in the first tier. */
const CLUSTER = {
  extends: true as const,
  test: {
    name: "cluster",
    include: [
      TIER_2 ? "test/integration/**/*.test.ts" : "test/integration/{attachments,transient,users}.test.ts",
      "test/**/*.cluster.test.ts",
    ],
    exclude: [
      ...exclude,
      // These start no server.
      "test/integration/{behaviours,capacity,errors,metrics,settings}-doc.test.ts",
      "test/integration/{bench-smoke,deploy,document-types,http,http-router,search-size.full,single-node}.test.ts",
      // Ten thousand searches of what one database holds; the other projects have them.
      "test/integration/search-property.test.ts",
    ],
    env: { PARLEY_TEST_DATABASE: "postgres", PARLEY_TEST_NODES: "3" },
    pool: "forks" as const,
    globalSetup: ["one-file", "postgres-setup", "nats-setup"].map((name) => `./test/support/${name}.ts`),
    // What is about one node alone is left out, with the reason.
    setupFiles: ["./test/support/single-node.ts"],
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
};

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
          exclude: [...exclude, "**/*.postgres.test.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "suites",
          include: ["test/**/*.test.ts"],
          exclude: [...exclude, "test/bench/**", "test/**/*.alone.test.ts", "test/**/*.{postgres,cluster}.test.ts"],
          pool: "forks",
          globalSetup: "./test/support/one-file.ts",
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "postgres",
          include: [...ON_BOTH, "{server/src,test}/**/*.postgres.test.ts"],
          // Who is online is told to the millisecond by the only node alone; several have test/cluster.
          exclude: [...exclude, "test/integration/presence*.test.ts"],
          env: { PARLEY_TEST_DATABASE: "postgres" },
          pool: "forks",
          // Last, by fewer processes: each has to load the server, which is a good part of the work. The second tier measures.
          maxWorkers: TIER_2 ? 1 : 2,
          globalSetup: ["./test/support/one-file.ts", "./test/support/postgres-setup.ts"],
          sequence: { groupOrder: 2, sequencer: LongestFirst },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      ...(natsInstalled("the suites on three nodes") ? [CLUSTER] : []),
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
