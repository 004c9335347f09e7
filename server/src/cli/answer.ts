import { callFailure, runCommand } from "./failure.js";

/** What a command has to say: the values of one thing by name. */
export type Answer = Record<string, string | number | boolean | undefined>;

/** Runs a command that asks a running server, and prints what it says: in JSON when that was asked for, else to be read. */
export async function answer(
  { url, json }: { url: string; json?: boolean },
  nothing: string,
  ask: () => Promise<Answer | Answer[]>,
): Promise<void> {
  await runCommand(async () => {
    const said = await ask().catch((error: unknown) => {
      throw callFailure(error, url);
    });
    process.stdout.write(`${json === true ? JSON.stringify(said) : plain(said, nothing)}\n`);
  });
}

const MOST_UNNAMED_COLUMNS = 3;

/** One line for each answer; so many values that they must be told apart stand under their names. */
function lines(said: Answer[]): string {
  const names = Object.keys(said[0] ?? {});
  const rows = said.map((line) => names.map((name) => String(line[name] ?? "")));
  if (names.length <= MOST_UNNAMED_COLUMNS) return rows.map((row) => row.join("  ")).join("\n");
  const widths = names.map((name, at) => Math.max(name.length, ...rows.map((row) => (row[at] ?? "").length)));
  return [names, ...rows]
    .map((row) =>
      row
        .map((text, at) => text.padEnd(widths[at] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function plain(said: Answer | Answer[], nothing: string): string {
  if (Array.isArray(said)) return lines(said) || nothing;
  const known = Object.entries(said).filter(([, value]) => value !== undefined);
  const width = Math.max(12, ...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${name.padEnd(width)} ${value}`).join("\n");
}
