import fc from "fast-check";
import { startHost } from "./host.js";
import { commandsArbitrary, DEVICES, rulesArbitrary, runCommands } from "./run.js";
const counts = new Map();
let host = await startHost(DEVICES.length);
let n = 0;
const t0 = process.cpuUsage();
const report = await fc.check(fc.asyncProperty(rulesArbitrary, commandsArbitrary(120, undefined), async (rules, commands) => {
  if (++n % 8 === 0) { await host.close(); host = await startHost(DEVICES.length); }
  await runCommands(host, rules, commands, counts);
}), { seed: Number(process.env.PARLEY_SEED ?? 1), numRuns: Number(process.env.PARLEY_MODEL_RUNS ?? 40), endOnFailure: true });
await host.close();
const u = process.cpuUsage(t0);
const total = [...counts.values()].reduce((a, b) => a + b, 0);
if (process.env.COUNTS) console.log([...counts].sort((a, b) => a[1] - b[1]).map(([k, v]) => k + " " + v).join(", "));
console.log(report.failed ? JSON.stringify(report.counterexample, (k, v) => (typeof v === "object" && v && "commands" in v ? String(v) : v)) : "");
console.log(total, (u.user + u.system) / 1000 / total, "ms each", u.user / 1e6, u.system / 1e6, report.failed, String(report.errorInstance));
process.exit();
