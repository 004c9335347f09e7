import type { Column } from "./columns.js";
import type { Measurement } from "./stage.js";
import type { Workload } from "./workloads.js";

/** What became of one row. */
export type Row = { readonly who: string } & ({ readonly result: Measurement } | { readonly error: unknown });

/** The rows of one workload as text; the ratios are to the row named `peer`, where it was measured. */
export function printTable({ name, title, columns }: Workload, rows: readonly Row[], peer: string): string {
  const base = rows.flatMap((row) => ("result" in row && row.who === peer ? [row.result] : []))[0];
  const compared = columns.filter(({ ratio }) => ratio !== undefined);
  const header = ["", ...columns.map((column) => column.title), ...compared.map(({ ratio = "" }) => ratio)];
  const lines = rows.map((row) =>
    "result" in row ? [row.who, ...cells(columns, compared, row.result, base)] : [row.who, "FAILED"],
  );
  return `${name}: ${title}\n${align([header, ...lines])}`;
}

/** Lines of cells as text, the first cell to the left and the others to the right. */
export function align(lines: readonly (readonly string[])[], left = 1): string {
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  const pad = (cell: string, at: number): string =>
    at < left ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0);
  return lines.map((line) => line.map(pad).join("  ").trimEnd()).join("\n");
}

function cells(
  columns: readonly Column[],
  compared: readonly Column[],
  { figures }: Measurement,
  base: Measurement | undefined,
): string[] {
  const ratio = (key: string): string => {
    const [figure, peer] = [figures[key], base?.figures[key]];
    return figure !== undefined && peer !== undefined && peer > 0 ? (figure / peer).toFixed(2) : "–";
  };
  return [...columns.map(({ key, digits }) => format(figures[key], digits)), ...compared.map(({ key }) => ratio(key))];
}

function format(figure: number | undefined, digits: number): string {
  if (figure === undefined) return "–";
  return figure.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
