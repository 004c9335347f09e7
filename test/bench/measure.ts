import { setTimeout as sleep } from "node:timers/promises";
import type { Contestant } from "./contestant.js";
import { gather } from "./crew.js";
import { createLoad, type Load } from "./load.js";
import { type ProcessUsage, readUsage } from "./process-usage.js";
import { type ServerProcess, startServer } from "./server-process.js";
import { makeWorkFolder } from "./work-folder.js";
import type { Workload } from "./workloads.js";

/** One row of results. */
export interface Measurement {
  readonly workload: string;
  readonly who: string;
  /** Texts done in the measured time: with all receivers and acknowledged. */
  readonly messages: number;
  readonly seconds: number;
  readonly messagesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU of the server's process tree per 1,000 messages or 100,000 deliveries, in seconds. */
  readonly serverCpu: number;
  /** The same of this process, the load generator. */
  readonly clientCpu: number;
  readonly rssMiB: number;
  /** The texts of the whole run, warm-up included; each was checked. */
  readonly checked: number;
  /** The measured time on the monotonic clock, in microseconds: what a profile is cut to. */
  readonly windowMicros: readonly [number, number];
}

export interface MeasureOptions {
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly profileDir?: string | undefined;
  /** Hears what is being done. */
  readonly progress?: (step: string) => void;
}

/** Starts a server of its own for one contestant, loads it, checks what came, and stops it. */
export async function measure(
  contestant: Contestant,
  workload: Workload,
  { warmUpMs, measureMs, profileDir, progress = () => {} }: MeasureOptions,
): Promise<Measurement> {
  using folder = makeWorkFolder();
  progress("starting the server");
  const server = await startServer(contestant.launch(folder.path), profileDir);
  try {
    progress("connecting");
    const load = createLoad(workload, contestant.keepsOrder);
    const crew = await Promise.race([gather(contestant, workload, server.ready, load), server.died, load.failed]);
    progress("warming up");
    load.start(crew.channels);
    await underLoad(server, load, warmUpMs);
    progress("measuring");
    const before = snapshot(server, load);
    load.recording = true;
    await underLoad(server, load, measureMs);
    load.recording = false;
    const after = snapshot(server, load);
    progress("checking");
    await Promise.race([load.stop(), server.died, load.failed]);
    const result = compare(contestant, workload, before, after, load);
    await crew.close();
    return result;
  } finally {
    await server.stop();
  }
}

async function underLoad({ died }: ServerProcess, { failed }: Load, ms: number): Promise<void> {
  await Promise.race([sleep(ms), died, failed]);
}

interface Snapshot extends ProcessUsage {
  readonly micros: number;
  readonly clientSeconds: number;
  readonly completed: number;
}

function snapshot({ pid }: ServerProcess, { completed }: Load): Snapshot {
  const { user, system } = process.cpuUsage();
  const micros = Number(process.hrtime.bigint() / 1_000n);
  return { ...readUsage(pid), micros, clientSeconds: (user + system) / 1e6, completed };
}

function compare(
  { name: who }: Contestant,
  { name: workload, receivers, costPer }: Workload,
  before: Snapshot,
  after: Snapshot,
  { latencies, completed: checked }: Load,
): Measurement {
  const seconds = (after.micros - before.micros) / 1e6;
  const messages = after.completed - before.completed;
  if (messages === 0) throw new Error(`${workload}, ${who}: nothing was done in the measured time`);
  const units = (costPer.what === "messages" ? messages : messages * receivers) / costPer.count;
  const sorted = Float64Array.from(latencies).sort();
  const percentile = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return {
    workload,
    who,
    messages,
    seconds,
    messagesPerSecond: messages / seconds,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    serverCpu: (after.cpuSeconds - before.cpuSeconds) / units,
    clientCpu: (after.clientSeconds - before.clientSeconds) / units,
    rssMiB: after.rssBytes / 2 ** 20,
    checked,
    windowMicros: [before.micros, after.micros],
  };
}
