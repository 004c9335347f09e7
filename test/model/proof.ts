import fc from "fast-check";
import { expect, type TestContext } from "vitest";
import { figure } from "../support/proofs/figure.js";
import { seed, sized } from "../support/proofs/tier.js";
import { KINDS } from "./commands.js";
import type { Host } from "./host.js";
import { type Counts, commandsArbitrary, DEVICES, rulesArbitrary, runCommands } from "./run.js";

/** fast-check takes somewhat less than half of them on average. */
const MOST_COMMANDS = sized(180, 240);
/** The second tier runs until this is over and says how far it came. */
const TIME_MS = sized(400_000, 600_000);
/** A new server now and then: retention walks all apps of one. */
const RUNS_OF_A_HOST = 8;

/** The longest that a test of this may take. */
export const PROOF_MS: number = TIME_MS + 120_000;

export interface ModelProof {
  /** What the commands are done to. */
  start(devices: number): Promise<Host>;
  /** The test file, which does it again. */
  file: string;
  /** How many runs the first tier takes; as many as have to show every kind of command, if that is to be so. */
  runs: number;
  everyKind: boolean;
  seed?: number;
}

/** Runs random commands, each run in an app of its own, and puts down how many there were. */
export async function proveModel(context: TestContext, proof: ModelProof): Promise<void> {
  const chosenSeed = proof.seed ?? seed();
  const counts: Counts = new Map();
  let host: Host | undefined;
  let runs = 0;
  const nextHost = async (): Promise<Host> => {
    if (host === undefined || runs % RUNS_OF_A_HOST === 0) {
      await host?.close();
      host = await proof.start(DEVICES.length);
    }
    runs += 1;
    return host;
  };
  const { PARLEY_MODEL_PATH: path, PARLEY_MODEL_REPLAY: replayPath } = process.env;
  const commands = commandsArbitrary(MOST_COMMANDS, replayPath);
  const property = fc.asyncProperty(rulesArbitrary, commands, async (rules, chosen) => {
    const own = await nextHost();
    try {
      await runCommands(own, rules, chosen, counts);
    } catch (error) {
      // What went wrong must not reach into the next run.
      runs = 0;
      throw error;
    }
  });
  const report = await fc.check(property, {
    seed: chosenSeed,
    numRuns: path === undefined ? sized(proof.runs, 1_000_000) : 1,
    interruptAfterTimeLimit: TIME_MS,
    // A shorter run that fails is mostly another failure: all is shared between the commands.
    endOnFailure: true,
    ...(path !== undefined && { path }),
  });
  await host?.close();
  if (report.failed) {
    const message = `${String(report.errorInstance)}\n${await fc.asyncDefaultReportMessage(report)}`;
    throw new Error(again(message, proof.file, chosenSeed, report.counterexamplePath));
  }
  if (path !== undefined) return;
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const rarest = Math.min(...counts.values());
  const kinds = Object.keys(KINDS);
  console.log(`seed ${chosenSeed}: ${kinds.map((name) => `${name} ${counts.get(name) ?? 0}`).join(", ")}`);
  if (proof.everyKind) expect(kinds.filter((name) => !counts.has(name))).toEqual([]);
  const size = `${total.toLocaleString("en")} commands of ${counts.size} kinds, each at least ${rarest} times`;
  figure(context, `${size}, in ${report.numRuns} runs`);
}

/** What went wrong, and the command that does it again. */
function again(message: string, file: string, chosenSeed: number, path: string | null): string {
  const settings = [
    `PARLEY_SEED=${chosenSeed}`,
    `PARLEY_MODEL_PATH='${path ?? ""}'`,
    `PARLEY_MODEL_REPLAY='${/replayPath="([^"]*)"/.exec(message)?.[1] ?? ""}'`,
  ];
  return `${message}\nagain: ${settings.join(" ")} npx vitest run ${file}`;
}
