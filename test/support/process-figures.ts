import { readFileSync } from "node:fs";

/** What a process of this machine has used, as Linux counts it. */
export interface ProcessFigures {
  rssBytes: number;
  /** The most memory it ever had. */
  peakBytes: number;
  cpuSeconds: number;
}

/** The ticks of a second in /proc, on every Linux there is. */
const TICKS = 100;

export function figuresOf(pid: number): ProcessFigures {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
  // The name in brackets may hold spaces.
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    rssBytes: kib("VmRSS") * 1024,
    peakBytes: kib("VmHWM") * 1024,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS,
  };
}

export const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
