import type { Contestant, Seed } from "./contestant.js";
import { makeText } from "./ledger.js";
import { makeWorkFolder, type WorkFolder } from "./work-folder.js";

const textBytes = 200;
/** The messages of a seed spread over this time up to now; less than any server keeps them. */
const spanMs = 5 * 86_400_000;
const startedMs = Date.now();
const reportEvery = 50_000;

/** A conversation of two users that has been going on for some days. */
export function createSeed(stored: number, progress: Seed["progress"] = () => {}): Seed {
  const stepMs = Math.max(1, Math.floor(spanMs / stored));
  return {
    users: ["ann", "ben"],
    stored,
    timeOf: (sequence) => startedMs - (stored - sequence + 1) * stepMs,
    text: makeText(0, textBytes),
    progress,
  };
}

const folders = new Map<string, WorkFolder>();

/** A data folder with so many messages. Rows of one server share it, for they only read; it goes when the bench ends. */
export async function seededFolder(
  contestant: Contestant,
  stored: number,
  progress: (step: string) => void,
): Promise<string> {
  const key = `${contestant.server} ${stored}`;
  const known = folders.get(key);
  if (known) return known.path;
  const folder = makeWorkFolder();
  let reported = 0;
  const report = (done: number): void => {
    if (done - reported < reportEvery) return;
    reported = done;
    progress(`${done.toLocaleString("en")} of ${stored.toLocaleString("en")} messages stored`);
  };
  progress(`storing ${stored.toLocaleString("en")} messages`);
  await contestant.seed(folder.path, createSeed(stored, report));
  folders.set(key, folder);
  return folder.path;
}

/** Removes the folders before the process ends. */
export function removeSeeds(): void {
  for (const folder of folders.values()) folder[Symbol.dispose]();
  folders.clear();
}
