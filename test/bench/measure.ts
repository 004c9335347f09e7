import type { Contestant } from "./contestant.js";
import { checkFileLimit } from "./file-limit.js";
import { measureCatchUp } from "./kinds/catch-up.js";
import { measureDay } from "./kinds/day.js";
import { measureIdle } from "./kinds/idle.js";
import { measurePages } from "./kinds/pages.js";
import { measureSends } from "./kinds/send.js";
import { measureStarts } from "./kinds/start.js";
import type { Findings, Measurement, MeasureOptions } from "./stage.js";
import type { Workload } from "./workloads.js";

/** Starts a server of its own for one contestant, loads it, checks what came, and stops it. */
export async function measure(
  contestant: Contestant,
  workload: Workload,
  options: MeasureOptions,
): Promise<Measurement> {
  checkFileLimit(workload);
  const { name: who, server } = contestant;
  return { workload: workload.name, who, server, ...(await find(contestant, workload, options)) };
}

function find(contestant: Contestant, workload: Workload, options: MeasureOptions): Promise<Findings> {
  switch (workload.kind) {
    case "send":
      return measureSends(contestant, workload, options);
    case "idle":
      return measureIdle(contestant, workload, options);
    case "catch-up":
      return measureCatchUp(contestant, workload, options);
    case "pages":
      return measurePages(contestant, workload, options);
    case "start":
      return measureStarts(contestant, workload, options);
    case "day":
      return measureDay(contestant, workload, options);
  }
}
