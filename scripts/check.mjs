// `npm run check`: every static check, each named while it runs; all run, then one summary.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "./run.mjs";

const exists = (path) => existsSync(join(root, path));
const hasSource = (path) => exists(path) && readdirSync(join(root, path)).length > 0;
const sources = ["client/src", "server/src", "web/src", "test"].filter(hasSource);
const complete = ["client/src/index.ts", "server/src/main.ts", "web/index.html"].every(exists);

/** `needs: false` skips a step whose input does not exist. */
const steps = [
  { name: "format and lint", command: "biome ci --error-on-warnings ." },
  { name: "dependency protos", command: "node scripts/export-protos.mjs" },
  { name: "proto lint", command: "buf lint proto", needs: exists("proto") },
  { name: "proto format", command: "buf format proto -d --exit-code", needs: exists("proto") },
  { name: "proto breaking changes", command: "node scripts/breaking.mjs", needs: exists("proto") },
  { name: "generated code", command: "node scripts/check-generated.mjs", needs: exists("proto") },
  { name: "types: packages", command: "tsc -b" },
  { name: "types: tests", command: "tsc -p test" },
  { name: "types: web", command: "tsc -p web" },
  { name: "imports", command: `depcruise ${sources.join(" ")}`, needs: sources.length > 0 },
  { name: "dead code", command: "knip", needs: complete },
  { name: "packages", command: "node scripts/check-packages.mjs", needs: exists("gen/dist") || exists("client/dist") },
];

function outcome({ name, command, needs = true }) {
  console.log(`\n== ${name}: ${needs ? command : "skipped, no input yet"}`);
  if (!needs) return "skipped";
  const [tool, ...args] = command.split(" ");
  return run(tool, args).ok ? "ok" : "FAILED";
}

const results = steps.map((step) => ({ name: step.name, result: outcome(step) }));
console.log("\n== summary");
for (const { name, result } of results) console.log(`${result.padEnd(8)} ${name}`);
process.exitCode = results.some(({ result }) => result === "FAILED") ? 1 : 0;
