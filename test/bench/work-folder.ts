import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, ".work");
const memoryFileSystems = new Set([0x01021994, 0x858458f6]);

/** A folder on disk that is gone after use. All servers under test keep their data below `.work`, so on the same disk. */
export interface WorkFolder extends Disposable {
  readonly path: string;
}

const open = new Set<string>();
process.on("exit", () => {
  for (const path of open) remove(path);
});

function remove(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  open.delete(path);
}

export function makeWorkFolder(): WorkFolder {
  mkdirSync(root, { recursive: true });
  const { type } = statfsSync(root);
  if (memoryFileSystems.has(type)) throw new Error(`${root} lies in memory: an fsync there costs nothing`);
  const path = mkdtempSync(join(root, "run-"));
  open.add(path);
  return { path, [Symbol.dispose]: () => remove(path) };
}

/** Where profiles stay. */
export function profileFolder(): string {
  const path = join(root, "profiles");
  mkdirSync(path, { recursive: true });
  return path;
}
