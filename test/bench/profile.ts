import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { profileFolder } from "./work-folder.js";

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** Microseconds of the monotonic clock, which all processes of a machine share. */
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const shown = 25;
const root = join(import.meta.dirname, "../..");

/** A folder for one server's profile. */
export function openProfileFolder(): string {
  return mkdtempSync(join(profileFolder(), "raw-"));
}

/** Gives the main thread's profile in `folder` a name, and tells where the measured time went. */
export function reportProfile(folder: string, name: string, window: readonly [number, number]): string {
  const files = readdirSync(folder).map((file) => join(folder, file));
  const main = files.sort((a, b) => statSync(b).size - statSync(a).size)[0];
  if (main === undefined) return `no profile of ${name}: the server did not end by itself`;
  const path = join(profileFolder(), `${name.replaceAll(/[^A-Za-z0-9]+/g, "-")}.cpuprofile`);
  renameSync(main, path);
  rmSync(folder, { recursive: true });
  const profile = JSON.parse(readFileSync(path, "utf8")) as CpuProfile;
  return `profile of ${name}: ${relative(process.cwd(), path)}\n${summarize(profile, window)}`;
}

/** Self time of the busy samples inside the window: by function and by file, the collector among the functions. */
function summarize(
  { nodes, startTime, samples, timeDeltas }: CpuProfile,
  [from, to]: readonly [number, number],
): string {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const byFunction = new Map<string, number>();
  const byPlace = new Map<string, number>();
  let time = startTime;
  let busy = 0;
  for (const [at, id] of samples.entries()) {
    time += timeDeltas[at] ?? 0;
    // A sample lasts until the next one.
    const lasted = timeDeltas[at + 1] ?? 0;
    const frame = frames.get(id);
    if (!frame || time < from || time > to || frame.functionName === "(idle)") continue;
    busy += lasted;
    const place = placeOf(frame.url);
    const line = frame.url === "" ? "" : `:${frame.lineNumber + 1}`;
    add(byFunction, `${frame.functionName || "(anonymous)"}  ${place}${line}`, lasted);
    add(byPlace, frame.url === "" ? frame.functionName || "(native)" : place, lasted);
  }
  const top = (of: Map<string, number>): string[] =>
    [...of]
      .sort((a, b) => b[1] - a[1])
      .slice(0, shown)
      .map(([what, micros]) => `  ${((100 * micros) / busy).toFixed(1).padStart(5)} %  ${what}`);
  const busyShare = ((100 * busy) / (to - from)).toFixed(0);
  return [
    `busy ${busyShare} % of the measured time; of that, by function:`,
    ...top(byFunction),
    "by file:",
    ...top(byPlace),
  ].join("\n");
}

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}

/** A file inside the repository, a module of a package, or a module of Node. */
function placeOf(url: string): string {
  const path = url.replace("file://", "");
  const packaged = path.lastIndexOf("/node_modules/");
  if (packaged >= 0) return path.slice(packaged + "/node_modules/".length);
  return path.startsWith(root) ? relative(root, path) : path;
}
