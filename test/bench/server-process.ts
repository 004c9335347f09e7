import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** How to start a server under test. It prints one line of JSON when it takes connections. */
export interface LaunchPlan {
  readonly script: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What a server said when it was ready. */
export type ReadyLine = Readonly<Record<string, string>> & { readonly url: string };

export interface ServerProcess {
  readonly pid: number;
  readonly ready: ReadyLine;
  /** Rejects when the server ends before `stop`. */
  readonly died: Promise<never>;
  stop(): Promise<void>;
}

const startMs = 90_000;
const stopMs = 30_000;
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a server as a process of its own; with `profileDir`, under the CPU profiler, which writes there at the end. */
export async function startServer(plan: LaunchPlan, profileDir?: string): Promise<ServerProcess> {
  const profiler = profileDir === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDir}`];
  const child = spawn(process.execPath, [...profiler, plan.script, ...plan.args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...ownEnvironment(), NODE_ENV: "production", ...plan.env },
  });
  running.add(child);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4_000);
  });
  let stopping = false;
  const exited = once(child, "exit").then(([code, signal]) => {
    running.delete(child);
    return new Error(`the server ended with ${String(code ?? signal)}\n${said}`);
  });
  const died = exited.then((error) => (stopping ? new Promise<never>(() => {}) : Promise.reject(error)));
  died.catch(() => {});

  async function stop(): Promise<void> {
    stopping = true;
    const timer = setTimeout(() => child.kill("SIGKILL"), stopMs);
    child.kill("SIGTERM");
    await exited;
    clearTimeout(timer);
  }

  const timer = setTimeout(() => child.kill("SIGKILL"), startMs);
  const ready = await Promise.race([firstObject(child.stdout), died]);
  clearTimeout(timer);
  if (child.pid === undefined) throw new Error("the server has no process id");
  return { pid: child.pid, ready, died, stop };
}

/** Our environment without settings of Parley, which would change what is measured. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PARLEY_")));
}

async function firstObject(output: NodeJS.ReadableStream): Promise<ReadyLine> {
  const line = await new Promise<string>((resolve) => {
    createInterface({ input: output }).on("line", (text) => {
      if (text.startsWith("{")) resolve(text);
    });
  });
  return JSON.parse(line) as ReadyLine;
}
