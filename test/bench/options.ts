import { parseArgs } from "node:util";

/** What the command line asks for. */
export interface Options {
  /** Beginnings of workload names; empty: all. */
  readonly only: readonly string[];
  /** Parts of row names; empty: all. */
  readonly who: readonly string[];
  readonly measureMs: number;
  readonly warmUpMs: number;
  readonly rounds: number;
  readonly profile: boolean;
  readonly save: boolean;
}

export const help = `npm run bench -- [options]

Runs Parley and its peers under the same load and prints a table with ratios. See docs/bench.md.

  --only W1,W2-500   only the workloads whose names begin so
  --who h2,Socket    only the rows whose names contain one of these; Socket.IO is needed for ratios
  --seconds 5        the measured time of a row
  --warm-up 3        the time before it, in seconds
  --rounds 1         measure every row so often, interleaved, and keep the one of median CPU
  --profile          write a CPU profile of each server under test and print where its time went
  --save             write docs/bench/<date>-<commit>.json
  --help             this text
`;

/** Reads the command line; undefined when it asks for help. Throws on what it does not know. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: "" },
      who: { type: "string", default: "" },
      seconds: { type: "string", default: "5" },
      "warm-up": { type: "string", default: "3" },
      rounds: { type: "string", default: "1" },
      profile: { type: "boolean", default: false },
      save: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    only: words(values.only),
    who: words(values.who),
    measureMs: positive("--seconds", values.seconds) * 1000,
    warmUpMs: positive("--warm-up", values["warm-up"]) * 1000,
    rounds: Math.ceil(positive("--rounds", values.rounds)),
    profile: values.profile,
    save: values.save,
  };
}

const words = (list: string): string[] => list.split(",").filter((word) => word !== "");

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`${name} must be a number above 0, not "${text}"`);
  return value;
}
