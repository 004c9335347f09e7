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

function plain(said: Answer | Answer[], nothing: string): string {
  if (Array.isArray(said)) return said.map((line) => Object.values(line).join("  ")).join("\n") || nothing;
  const lines = Object.entries(said).filter(([, value]) => value !== undefined);
  const width = Math.max(12, ...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)} ${value}`).join("\n");
}
