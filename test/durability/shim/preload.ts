import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("disk.c", import.meta.url));

/** Whether the shim can be used here; says what is skipped without it, or fails where nothing may be. */
export function hasShim(claim: string): boolean {
  const found = process.platform === "linux" && existsSync("/usr/bin/gcc");
  if (!found && process.env.PARLEY_REQUIRE_ALL === "1") throw new Error("gcc is missing: apt-get install g++");
  if (!found) console.warn(`skipped ${claim}, which wants Linux and gcc: apt-get install g++`);
  return found;
}

/** The points of a commit at which a server can be killed, in their order. */
export const KILL_POINTS = ["before-write", "before-sync", "after-sync", "after-publish"] as const;
export type KillPoint = (typeof KILL_POINTS)[number];

export interface ShimOptions {
  /** The folder whose files are watched. */
  folder: string;
  /** Where every change is written down. */
  journal?: string;
  kill?: { point: KillPoint; commit: number };
  fail?: { file: "wal" | "db"; sync: number };
}

/** Builds the shim in a folder of the test's, and gives what makes the environment of a server that runs on it. */
export function buildShim(into: string): (options: ShimOptions) => Record<string, string> {
  const library = join(into, "disk.so");
  execFileSync("/usr/bin/gcc", [
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-shared",
    "-fPIC",
    "-o",
    library,
    source,
    "-ldl",
  ]);
  return ({ folder, journal, kill, fail }) => ({
    LD_PRELOAD: library,
    DISK_FOLDER: folder,
    ...(journal === undefined ? {} : { DISK_JOURNAL: journal }),
    ...(kill === undefined ? {} : { DISK_KILL: `${kill.point}:${kill.commit}` }),
    ...(fail === undefined ? {} : { DISK_FAIL: `${fail.file}:${fail.sync}` }),
  });
}
