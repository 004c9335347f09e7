// Builds web/dist with vite, unless it is newer than everything it is made of.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "./run.mjs";

const inputs = ["web", "client/src", "gen/src", "package-lock.json"];
const built = join(root, "web/dist/index.html");

function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.mtimeMs ?? 0;
  const names = readdirSync(path).filter((name) => name !== "dist" && name !== "node_modules");
  // A directory's own time tells of deletions, but the one of web/ changes with dist.
  const own = names.includes("package.json") ? 0 : stat.mtimeMs;
  return Math.max(own, ...names.map((name) => newest(join(path, name))));
}

function isFresh() {
  if (!existsSync(built)) return false;
  const builtAt = statSync(built).mtimeMs;
  return inputs.every((path) => newest(join(root, path)) < builtAt);
}

if (existsSync(join(root, "web/index.html")) && !isFresh()) {
  if (!run("vite", ["build", "web", "--logLevel", "warn"]).ok) process.exitCode = 1;
}
