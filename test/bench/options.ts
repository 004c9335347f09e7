import { parseArgs } from "node:util";
import { workloads } from "./workloads.js";

/** What the command line asks for. */
export interface Options {
  /** Beginnings of workload names; empty: all. */
  readonly only: readonly string[];
  /** Parts of row names; empty: all. */
  readonly who: readonly string[];
  /** Whether the big workloads are wanted too. */
  readonly all: boolean;
  readonly measureMs: number;
  readonly warmUpMs: number;
  readonly rounds: number;
  readonly profile: boolean;
  readonly save: boolean;
  /** Whether to tell what the parts of a send cost, and nothing else. */
  readonly parts: boolean;
}

export const help = `npm run bench -- [options]

Runs Parley and its peers under the same load and prints tables with ratios to Socket.IO, then the goals. See docs/bench.md.

  --only W1,W2-500   only the workloads whose names begin so; a big one by its full name, or with --all
  --all              the big workloads too: about an hour
  --who h2,Socket    only the rows whose names contain one of these; Socket.IO is needed for ratios
  --seconds 3        the measured time of a row, where it is a matter of time
  --warm-up 2        the time before it, in seconds
  --rounds 1         measure every row so often, interleaved, and keep the one in the middle
  --profile          write a CPU profile of each server under test and print where its time went
  --save             write docs/bench/<date>-<commit>.json and .svg
  --parts            instead of all that: what each part of a SendMessage costs the server
  --help             this text

Workloads (* big):
${workloads.map(({ name, title, big }) => `  ${big ? "*" : " "} ${name.padEnd(14)}  ${title}`).join("\n")}
`;

/** Reads the command line; undefined when it asks for help. Throws on what it does not know. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      all: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      who: { type: "string", default: "" },
      seconds: { type: "string", default: "3" },
      "warm-up": { type: "string", default: "2" },
      rounds: { type: "string", default: "1" },
      profile: { type: "boolean", default: false },
      save: { type: "boolean", default: false },
      parts: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    only: words(values.only),
    who: words(values.who),
    all: values.all,
    measureMs: positive("--seconds", values.seconds) * 1000,
    warmUpMs: positive("--warm-up", values["warm-up"]) * 1000,
    rounds: Math.ceil(positive("--rounds", values.rounds)),
    profile: values.profile,
    save: values.save,
    parts: values.parts,
  };
}

const words = (list: string): string[] => list.split(",").filter((word) => word !== "");

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`${name} must be a number above 0, not "${text}"`);
  return value;
}
