import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { syncPath } from "./files.js";

/** Makes a folder that its owner alone can read, and those above it that are absent. What is synced in it later would be lost with its name, so its name is on the disk when this returns. */
export function makeFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const above = dirname(resolve(first));
  for (let folder = resolve(path); folder !== above; folder = dirname(folder)) syncPath(dirname(folder));
}
