import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A disk of its own, small enough to be filled. */
export interface SmallDisk {
  path: string;
  remove(): void;
}

/** Makes a disk in memory, or says why it cannot: that takes root. */
export function makeSmallDisk(mebibytes: number): SmallDisk | string {
  const path = mkdtempSync(join(tmpdir(), "parley-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m,mode=0700`, "parley-test", path]);
  if (mounted.status !== 0) {
    rmSync(path, { recursive: true });
    return `mounting a tmpfs failed: ${mounted.error?.message ?? String(mounted.stderr).trim()}`;
  }
  return {
    path,
    remove() {
      spawnSync("umount", ["-l", path]);
      rmSync(path, { recursive: true, force: true });
    },
  };
}
