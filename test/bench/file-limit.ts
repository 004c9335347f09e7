import { readFileSync } from "node:fs";
import type { Workload } from "./workloads.js";

/** Files that a process has open besides its connections. */
const spare = 200;

/** Throws when this machine lets a process have too few files open for a workload; Node takes all that it may. */
export function checkFileLimit(workload: Workload): void {
  const needed = connectionsOf(workload) + spare;
  const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  if (hard !== undefined && Number(hard) < needed) {
    throw new RangeError(`needs ${needed} open files at once, but the limit is ${hard}: raise it by ulimit -n`);
  }
}

/** With HTTP/1.1 a receiver has one connection for its stream and another for its calls. */
function connectionsOf(workload: Workload): number {
  switch (workload.kind) {
    case "send":
      return (workload.receivers + 1) * workload.channels * 2;
    case "idle":
      return workload.sessions;
    case "catch-up":
      return workload.members * 2;
    case "pages":
      return workload.readers * workload.inFlight;
    case "start":
      return 0;
    case "day":
      return workload.users * 4;
  }
}
