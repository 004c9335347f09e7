import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import { program } from "../../server/src/cli/program.js";

const main = fileURLToPath(new URL("../../server/bin/parley.js", import.meta.url));

/** How a command ended, and what it said. */
export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `parley` with these arguments in a process of its own, as its users do: that costs half a second. */
export async function parleyProcess(...args: string[]): Promise<CommandResult> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
    });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...said };
}

/** Runs `parley` with these arguments in this process: one at a time, and none that waits for signals. */
export async function parley(...args: string[]): Promise<CommandResult> {
  const said = { stdout: "", stderr: "" };
  const take = (name: "stdout" | "stderr") =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      said[name] += String(text);
      return true;
    });
  const taken = [take("stdout"), take("stderr")];
  const command = program();
  throwInsteadOfExit(command);
  try {
    await command.parseAsync(args, { from: "user" });
    return { code: Number(process.exitCode ?? 0), ...said };
  } catch (error) {
    // What commander itself ends, such as --help.
    if (error instanceof Error && "exitCode" in error) return { code: Number(error.exitCode), ...said };
    throw error;
  } finally {
    process.exitCode = undefined;
    for (const spy of taken) spy.mockRestore();
  }
}

function throwInsteadOfExit(command: ReturnType<typeof program>): void {
  command.exitOverride();
  for (const below of command.commands) throwInsteadOfExit(below);
}
