import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { drawChart } from "./chart.js";
import type { Options } from "./options.js";
import type { Measurement } from "./stage.js";

const root = join(import.meta.dirname, "../..");
const git = (...args: string[]): string => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();

/** Writes docs/bench/<date>-<commit>.json and a chart of the same name, and gives the path of the first. */
export function saveResults(options: Options, results: readonly Measurement[]): string {
  const commit = git("rev-parse", "--short", "HEAD");
  const changed = git("status", "--porcelain") !== "";
  const now = new Date().toISOString();
  const folder = join(root, "docs/bench");
  mkdirSync(folder, { recursive: true });
  const name = `${now.slice(0, 10)}-${commit}`;
  const path = join(folder, `${name}.json`);
  const cpus = os.cpus();
  const machine = {
    cpu: cpus[0]?.model,
    cores: cpus.length,
    memoryMiB: Math.round(os.totalmem() / 2 ** 20),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    loadAverage: os.loadavg(),
  };
  const command = `npm run bench -- ${process.argv.slice(2).join(" ")}`;
  const rows = results.map(({ windowMicros: _, ...row }) => row);
  const document = { time: now, commit, changed, command, machine, measureMs: options.measureMs, rows };
  writeFileSync(path, `${JSON.stringify(document, null, 2)}\n`);
  writeFileSync(join(folder, `${name}.svg`), drawChart(results, `${now.slice(0, 10)}, commit ${commit}, ${command}`));
  return path;
}
