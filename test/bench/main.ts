/** `npm run bench`: see docs/bench.md. Progress goes to stderr, the results to stdout. */
import type { Contestant } from "./contestant.js";
import { contestants, leftOut } from "./contestants/index.js";
import { printGoals } from "./goals-table.js";
import { measure } from "./measure.js";
import { help, type Options, readOptions } from "./options.js";
import { printParts } from "./parts.js";
import { openProfileFolder, reportProfile } from "./profile.js";
import { saveResults } from "./results-file.js";
import type { Measurement } from "./stage.js";
import { printTable, type Row } from "./table.js";
import { type Workload, workloads } from "./workloads.js";

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function run(options: Options): Promise<void> {
  const chosen = workloads.filter((workload) => isChosen(workload, options));
  if (chosen.length === 0)
    throw new RangeError(`no workload; there are ${workloads.map(({ name }) => name).join(", ")}`);
  for (const reason of leftOut) say(reason);
  const results: Measurement[] = [];
  for (const workload of chosen) {
    const rows = await runWorkload(workload, options);
    console.log(`\n${printTable(workload, rows, contestants[0]?.name ?? "")}`);
    results.push(...rows.flatMap((row) => ("result" in row ? [row.result] : [])));
    if (rows.some((row) => "error" in row)) process.exitCode = 1;
  }
  const reached = printGoals(results);
  if (reached !== undefined) console.log(`\n${reached}`);
  if (options.save) console.log(`\nsaved ${saveResults(options, results)}`);
}

async function runWorkload(workload: Workload, options: Options): Promise<Row[]> {
  const chosen = contestants.filter(
    (contestant) => contestant.suits(workload) && chosenBy(options.who, (word) => contestant.name.includes(word)),
  );
  const rows = chosen.map((): Row[] => []);
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const [at, contestant] of chosen.entries()) rows[at]?.push(await runRow(contestant, workload, options));
  }
  return rows.flatMap((rounds) => median(workload, rounds));
}

async function runRow(contestant: Contestant, workload: Workload, options: Options): Promise<Row> {
  const { name: who } = contestant;
  const name = `${workload.name}, ${who}`;
  const profileDir = options.profile ? openProfileFolder() : undefined;
  try {
    const progress = (step: string): void => say(`${name}: ${step}`);
    const result = await measure(contestant, workload, { ...options, profileDir, progress });
    say(`${name}: done, ${result.checked.toLocaleString("en")} checked`);
    if (profileDir !== undefined) console.log(`\n${reportProfile(profileDir, name, result.windowMicros)}`);
    return { who, result };
  } catch (error) {
    say(`${name}: FAILED`);
    console.error(error);
    return { who, error };
  }
}

/** A failed round if there is one, otherwise the round in the middle by the workload's steady figure. */
function median({ steady }: Workload, rounds: readonly Row[]): Row[] {
  const failed = rounds.find((row) => "error" in row);
  if (failed) return [failed];
  const cost = (row: Row): number => ("result" in row ? (row.result.figures[steady] ?? 0) : 0);
  const sorted = [...rounds].sort((a, b) => cost(a) - cost(b));
  return sorted.slice(Math.floor((sorted.length - 1) / 2)).slice(0, 1);
}

/** By its full name, or by the beginning of its name unless it is a big one. */
function isChosen({ name, big }: Workload, { only, all }: Options): boolean {
  return only.includes(name) || ((all || !big) && chosenBy(only, (word) => name.startsWith(word)));
}

function chosenBy(words: readonly string[], fits: (word: string) => boolean): boolean {
  return words.length === 0 || words.some(fits);
}

// Ends the servers under test and removes their data, which is done on exit.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) console.log(help);
  else if (options.parts) await printParts(console.log);
  else await run(options);
} catch (error) {
  console.error(error instanceof Error ? `bench: ${error.message}` : error);
  process.exitCode = 1;
}
// Clients of a row that failed may still wait for something.
process.exit();
