import { moreIsBetter } from "./columns.js";
import { goals, peerOf } from "./goals.js";
import type { Measurement } from "./stage.js";
import { type Workload, workloads } from "./workloads.js";

const left = 230;
const width = 900;
const plot = { from: left, to: width - 70 };
const rowHeight = 16;
const headHeight = 26;
const top = 56;
/** Bars begin at 1, as good as Socket.IO, and end here at most: so many times better or worse, on a scale of powers of 2. */
const reach = 16;
const colours = { parley: "#2563eb", "socket.io": "#6b7280", "grpc-js": "#9ca3af", ejabberd: "#b45309" };

const xOf = (advantage: number): number => {
  const share = (Math.log2(Math.min(reach, Math.max(1 / reach, advantage))) / Math.log2(reach) + 1) / 2;
  return plot.from + share * (plot.to - plot.from);
};

/** A chart of how much better or worse than Socket.IO each row is, by the headline figure of each workload, with the goals. */
export function drawChart(results: readonly Measurement[], caption: string): string {
  const parts: string[] = [];
  let y = top;
  for (const workload of workloads) {
    const rows = results.filter((row) => row.workload === workload.name);
    const base = peerOf(results, workload.name, "socket.io")?.figures[workload.headline];
    if (base === undefined || base === 0 || rows.length < 2) continue;
    parts.push(text(8, y + 17, `${workload.name} · ${headlineOf(workload)}`, "head"));
    y += headHeight;
    const shown = rows.filter(({ server }) => server !== "socket.io");
    for (const [at, row] of shown.entries()) parts.push(bar(row, advantageOf(workload, row, base), y + at * rowHeight));
    parts.push(...marks(workload, base, results, y, shown.length * rowHeight));
    y += shown.length * rowHeight + 6;
  }
  const height = y + 12;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    "<style>.head{font-weight:bold;font-size:12px}.axis{fill:#6b7280}</style>",
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(
      8,
      18,
      "How much better than Socket.IO + better-sqlite3 in the same run (1 = the same; to the right is better)",
      "head",
    ),
    text(8, 34, `${caption} · dashed: at least · solid: goal`, "axis"),
    ...scale(height),
    ...parts,
    "</svg>",
  ].join("\n")}\n`;
}

function headlineOf({ columns, headline }: Workload): string {
  return columns.find(({ key }) => key === headline)?.title ?? headline;
}

/** Above 1 is better, whichever way the figure goes. */
function advantage(key: string, ratio: number): number {
  return moreIsBetter(key) ? ratio : 1 / ratio;
}

function advantageOf({ headline }: Workload, { figures }: Measurement, base: number): number {
  return advantage(headline, (figures[headline] ?? 0) / base);
}

function bar({ who, server }: Measurement, value: number, y: number): string {
  const [from, to] = [xOf(1), xOf(value)].sort((a, b) => a - b) as [number, number];
  const shown = value >= 10 ? value.toFixed(0) : value.toFixed(2);
  return [
    text(left - 8, y + 11, who, "", "end"),
    `<rect x="${from.toFixed(1)}" y="${y + 2}" width="${Math.max(1, to - from).toFixed(1)}" height="${rowHeight - 4}" fill="${colours[server]}"/>`,
    text(plot.to + 10, y + 11, `${shown} ×`),
  ].join("\n");
}

function marks(workload: Workload, base: number, results: readonly Measurement[], y: number, height: number): string[] {
  const goal = goals.find(
    ({ workload: name, key, over }) => name === workload.name && key === workload.headline && over === undefined,
  );
  if (!goal) return [];
  const lines = [
    ...goal.atLeast.map((bound) => ({ bound, dash: ' stroke-dasharray="4 3"' })),
    { bound: goal.goal, dash: "" },
  ];
  return lines.flatMap(({ bound: { times, peer }, dash }) => {
    const figure = peer && peerOf(results, workload.name, peer)?.figures[goal.key];
    const wanted = peer === undefined ? times : figure && times * figure;
    if (wanted === undefined) return [];
    const x = xOf(advantage(goal.key, wanted / base)).toFixed(1);
    return [`<line x1="${x}" x2="${x}" y1="${y}" y2="${y + height}" stroke="#16a34a" stroke-width="2"${dash}/>`];
  });
}

function scale(height: number): string[] {
  const steps = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16];
  return steps.flatMap((step) => {
    const x = xOf(step).toFixed(1);
    const label = step < 1 ? `1/${1 / step}` : String(step);
    return [
      `<line x1="${x}" x2="${x}" y1="${top}" y2="${height - 8}" stroke="${step === 1 ? "#111827" : "#e5e7eb"}"/>`,
      text(Number(x), top - 6, label, "axis", "middle"),
    ];
  });
}

function text(x: number, y: number, content: string, style = "", anchor = "start"): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}"${style && ` class="${style}"`} text-anchor="${anchor}">${escaped}</text>`;
}
