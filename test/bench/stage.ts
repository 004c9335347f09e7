import { setTimeout as sleep } from "node:timers/promises";
import type { Contestant } from "./contestant.js";
import { type ProcessUsage, readUsage } from "./process-usage.js";
import { type LaunchPlan, type ServerProcess, startServer } from "./server-process.js";

export interface MeasureOptions {
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly profileDir?: string | undefined;
  /** Hears what is being done. */
  readonly progress?: (step: string) => void;
}

/** One row of results. */
export interface Measurement {
  readonly workload: string;
  readonly who: string;
  readonly server: Contestant["server"];
  /** By the keys of the workload's columns. */
  readonly figures: Readonly<Record<string, number>>;
  /** How much was checked in the whole run, warm-up included. */
  readonly checked: number;
  /** The measured time on the monotonic clock, in microseconds: what a profile is cut to. */
  readonly windowMicros: readonly [number, number];
}

/** What a kind of workload finds out. */
export type Findings = Pick<Measurement, "figures" | "checked" | "windowMicros">;

/** Starts a server for as long as `use` takes. */
export async function withServer<T>(
  plan: LaunchPlan,
  profileDir: string | undefined,
  use: (server: ServerProcess) => Promise<T>,
): Promise<T> {
  const server = await startServer(plan, profileDir);
  try {
    return await Promise.race([use(server), server.died]);
  } finally {
    await server.stop();
  }
}

/** What was used in the measured time. */
export interface Used {
  readonly seconds: number;
  readonly serverSeconds: number;
  readonly clientSeconds: number;
  readonly rssMiB: number;
  readonly windowMicros: readonly [number, number];
}

/** Begins the measured time; the function it gives ends it. */
export function beginWindow({ pid }: ServerProcess): () => Used {
  const before = snapshot(pid);
  return () => {
    const after = snapshot(pid);
    return {
      seconds: (after.micros - before.micros) / 1e6,
      serverSeconds: after.cpuSeconds - before.cpuSeconds,
      clientSeconds: after.clientSeconds - before.clientSeconds,
      rssMiB: after.rssBytes / 2 ** 20,
      windowMicros: [before.micros, after.micros],
    };
  };
}

interface Snapshot extends ProcessUsage {
  readonly micros: number;
  readonly clientSeconds: number;
}

function snapshot(pid: number): Snapshot {
  const { user, system } = process.cpuUsage();
  const micros = Number(process.hrtime.bigint() / 1_000n);
  return { ...readUsage(pid), micros, clientSeconds: (user + system) / 1e6 };
}

/** The value below which a share of the times lies. */
export function percentile(times: readonly number[], share: number): number {
  const sorted = Float64Array.from(times).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** What every workload with a rate tells: of what was done, each with its time; the CPU for each of so many units. */
export function rateFigures(done: number, times: readonly number[], units: number, used: Used) {
  return {
    perSecond: done / used.seconds,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    cpu: used.serverSeconds / units,
    clientCpu: used.clientSeconds / units,
    rssMiB: used.rssMiB,
  };
}

/** A promise that rejects at the first failure that is told. */
export interface Alarm {
  readonly failed: Promise<never>;
  fail(error: unknown): void;
}

export function createAlarm(): Alarm {
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  return { failed, fail: (error) => fail(error) };
}

/** Waits, unless something fails meanwhile. */
export async function pass(ms: number, { failed }: Pick<Alarm, "failed">): Promise<void> {
  await Promise.race([sleep(ms), failed]);
}

/** Runs jobs, so many at a time, and gives their results in order. */
export async function inTurn<T>(jobs: readonly (() => Promise<T>)[], atOnce: number): Promise<T[]> {
  const results = new Array<T>(jobs.length);
  let next = 0;
  async function worker(): Promise<void> {
    for (let at = next++; at < jobs.length; at = next++) {
      const job = jobs[at];
      if (job) results[at] = await job();
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, jobs.length) }, worker));
  return results;
}
