import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** What a process and all its descendants have used. */
export interface ProcessUsage {
  /** User and system time, in seconds. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
const pageBytes = Number(execFileSync("getconf", ["PAGESIZE"], { encoding: "utf8" }));

/** Reads /proc; throws when the process is gone. */
export function readUsage(pid: number): ProcessUsage {
  // The name in parentheses may hold spaces; the fields after it are numbered from 3 (proc(5)).
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => Number(fields[number - 3]);
  const ticks = field(14) + field(15) + field(16) + field(17); // user, system, and both of children that ended
  let cpuSeconds = ticks / ticksPerSecond;
  let rssBytes = field(24) * pageBytes;
  for (const child of childrenOf(pid)) {
    const usage = readUsage(child);
    cpuSeconds += usage.cpuSeconds;
    rssBytes += usage.rssBytes;
  }
  return { cpuSeconds, rssBytes };
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    const list = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8");
    return list.split(" ").filter(Boolean).map(Number);
  });
}
