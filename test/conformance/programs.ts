import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, onTestFinished } from "vitest";
import { eventually } from "../support/index.js";
import { TEMP_PARENT } from "../support/temp-parent.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const buf = `${root}node_modules/.bin/buf`;
/** Debian's own, which alone has Debian's grpcio. */
export const python = "/usr/bin/python3";

const hasModule = (name: string) => spawnSync(python, ["-c", `import ${name}`], { stdio: "ignore" }).status === 0;
const debian = {
  curl: () => spawnSync("curl", ["--version"], { stdio: "ignore" }).status === 0,
  "protobuf-compiler": () => existsSync("/usr/bin/protoc"),
  "protobuf-compiler-grpc": () => existsSync("/usr/bin/grpc_python_plugin"),
  "python3-grpcio": () => hasModule("grpc"),
  "python3-protobuf": () => hasModule("google.protobuf"),
};

/** Whether the packages that a suite needs are there. When not, it says so aloud; with PARLEY_REQUIRE_ALL it throws instead. */
export function installed(suite: string, packages: readonly (keyof typeof debian)[]): boolean {
  const missing = packages.filter((each) => !debian[each]());
  if (missing.length === 0) return true;
  const advice = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (process.env.PARLEY_REQUIRE_ALL === "1") throw new Error(`${suite} needs: ${advice}`);
  console.warn(`SKIPPED: ${suite}. It needs: ${advice}`);
  return false;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  input?: string | Uint8Array;
}

export interface Outcome {
  code: number | null;
  stdout: Buffer;
  stderr: string;
}

/** Runs a program to its end. */
export async function run(command: string, args: string[], options: RunOptions = {}): Promise<Outcome> {
  const child = launch(command, args, options);
  const stdout: Buffer[] = [];
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk));
  // A program that ends before it has read its input is not an error of ours.
  child.stdin?.on("error", () => undefined).end(options.input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: Buffer.concat(stdout), stderr };
}

/** Runs a program that must succeed, and gives what it printed. */
export async function output(command: string, args: string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr}${stdout}`);
  return stdout.toString();
}

/** A program that goes on while a test looks at what it prints. */
export interface Program {
  pid: number;
  bytes(): Buffer;
  text(): string;
  stderr(): string;
  /** What it printed as one JSON value a line. */
  lines<T>(): T[];
  /** Waits until the JSON lines fit, and gives them. */
  until<T>(fits: (lines: T[]) => boolean, withinMs?: number): Promise<T[]>;
  write(line: string): void;
  /** Ends it and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  running(): boolean;
}

export interface StartOptions extends RunOptions {
  /** Takes what ends the program; without it, the program ends with the test. */
  atEnd?: (stop: () => Promise<void>) => void;
}

/** Starts a program. */
export function start(command: string, args: string[], options: StartOptions = {}): Program {
  const child = launch(command, args, options);
  const chunks: Buffer[] = [];
  let stderr = "";
  let running = true;
  child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk));
  child.stdin?.on("error", () => undefined);
  if (options.input !== undefined) child.stdin?.end(options.input);
  const ended = once(child, "close").then(() => {
    running = false;
  });
  const program: Program = {
    pid: child.pid ?? 0,
    bytes: () => Buffer.concat(chunks),
    text: () => Buffer.concat(chunks).toString(),
    stderr: () => stderr,
    // The last line may be half there.
    lines: <T>() =>
      program
        .text()
        .split("\n")
        .slice(0, -1)
        .filter(Boolean)
        .map((line) => JSON.parse(line) as T),
    until: <T>(fits: (lines: T[]) => boolean, withinMs = 10_000) =>
      eventually(() => {
        const lines = program.lines<T>();
        if (fits(lines)) return lines;
        throw new Error(`${command} ${running ? "has printed" : "ended after"}: ${program.text()}${stderr}`);
      }, withinMs),
    write: (line) => void child.stdin?.write(`${line}\n`),
    async stop(signal = "SIGTERM") {
      end(child, signal);
      await ended;
    },
    running: () => running,
  };
  (options.atEnd ?? onTestFinished)(() => program.stop("SIGKILL"));
  return program;
}

/** The JSON values in what buf curl printed, each from a line `{` to a line `}`; the last may be half there. */
export function indentedValues<T>(text: string): T[] {
  return [...text.matchAll(/^\{\n[\s\S]*?^\}\n/gm)].map(([json]) => JSON.parse(json) as T);
}

const open = new Set<ChildProcess>();
const folders: string[] = [];
// The first hook of every file that imports this is the last to run.
afterAll(() => {
  for (const child of open) end(child, "SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A new folder that goes with the test file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(TEMP_PARENT, "parley-conformance-"));
  folders.push(folder);
  return folder;
}

/** Spawns a program in a process group of its own: some are scripts that start the real one. */
function launch(command: string, args: string[], { cwd, env }: RunOptions): ChildProcess {
  const options = { cwd: cwd ?? root, env: { ...process.env, ...env }, stdio: "pipe", detached: true } as const;
  const child = spawn(command, args, options);
  open.add(child);
  child.once("close", () => open.delete(child));
  return child;
}

function end(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined && open.has(child)) process.kill(-child.pid, signal);
}
