import type { Contestant } from "../contestant.js";
import { readUsage } from "../process-usage.js";
import { seededFolder } from "../seed.js";
import { startServer } from "../server-process.js";
import { type Findings, type MeasureOptions, percentile } from "../stage.js";
import type { StartLoad } from "../workloads.js";

const most = 5;
/** No further start begins after so many times the measured time. */
const patience = 3;

/** How long a server with a full store takes until it says that it is ready. The file is in the system's memory, as after a deployment. */
export async function measureStarts(
  contestant: Contestant,
  workload: StartLoad,
  { measureMs, profileDir, progress = () => {} }: MeasureOptions,
): Promise<Findings> {
  const folder = await seededFolder(contestant, workload.stored, progress);
  const plan = contestant.launch(folder, workload);
  const times: number[] = [];
  let [cpuSeconds, rssBytes] = [0, 0];
  const startedMicros = Number(process.hrtime.bigint() / 1_000n);
  const deadline = performance.now() + patience * measureMs;
  while (times.length === 0 || (times.length < most && performance.now() < deadline)) {
    progress(`start ${times.length + 1}`);
    const startedAt = performance.now();
    const server = await startServer(plan, profileDir);
    times.push(performance.now() - startedAt);
    const usage = readUsage(server.pid);
    cpuSeconds += usage.cpuSeconds;
    rssBytes = usage.rssBytes;
    await server.stop();
  }
  return {
    figures: {
      p50Ms: percentile(times, 0.5),
      mostMs: Math.max(...times),
      cpu: (cpuSeconds * 1_000) / times.length,
      rssMiB: rssBytes / 2 ** 20,
    },
    checked: times.length,
    windowMicros: [startedMicros, Number(process.hrtime.bigint() / 1_000n)],
  };
}
