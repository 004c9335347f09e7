import type { Measurement } from "./measure.js";
import type { Workload } from "./workloads.js";

/** What became of one row. */
export type Row = { readonly who: string } & ({ readonly result: Measurement } | { readonly error: unknown });

/** The rows of one workload as text; the ratios are to the row named `peer`, where it was measured. */
export function printTable({ name, title, costPer, goal }: Workload, rows: readonly Row[], peer: string): string {
  const base = rows.flatMap((row) => ("result" in row && row.who === peer ? [row.result] : []))[0];
  const unit = `/${costPer.count.toLocaleString("en")}`;
  const header = [
    "",
    "msg/s",
    "p50 ms",
    "p99 ms",
    `CPU s${unit}`,
    `client${unit}`,
    "RSS MiB",
    "msg/s ×",
    "p50 ×",
    "CPU ×",
  ];
  const lines = rows.map((row) => ("result" in row ? cells(row.result, base) : [row.who, "FAILED"]));
  const widths = header.map((title, at) => Math.max(title.length, ...lines.map((line) => line[at]?.length ?? 0)));
  const text = [header, ...lines].map((line) =>
    line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  "),
  );
  return [
    `${name}: ${title}; CPU in seconds per ${costPer.count.toLocaleString("en")} ${costPer.what}`,
    ...text,
    `goal: ${goal}`,
  ].join("\n");
}

function cells(row: Measurement, base: Measurement | undefined): string[] {
  const ratio = (of: "messagesPerSecond" | "p50Ms" | "serverCpu"): string =>
    base && base[of] > 0 ? (row[of] / base[of]).toFixed(2) : "–";
  return [
    row.who,
    Math.round(row.messagesPerSecond).toLocaleString("en"),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.serverCpu.toFixed(3),
    row.clientCpu.toFixed(3),
    row.rssMiB.toFixed(0),
    ratio("messagesPerSecond"),
    ratio("p50Ms"),
    ratio("serverCpu"),
  ];
}
