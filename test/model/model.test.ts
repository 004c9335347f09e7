import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { figure } from "../support/proofs/figure.js";
import { seed, sized } from "../support/proofs/tier.js";
import { KINDS } from "./commands.js";
import { type Host, startHost } from "./host.js";
import { type Counts, commandsArbitrary, DEVICES, rulesArbitrary, runCommands } from "./run.js";

const RUNS = Number(process.env.PARLEY_MODEL_RUNS ?? sized(200, 2000));
/** fast-check takes half of them on average. */
const MOST_COMMANDS = Number(process.env.PARLEY_MODEL_COMMANDS ?? sized(120, 240));
/** A new server now and then: retention walks all apps of one. */
const RUNS_OF_A_HOST = 8;

describe("M1: random commands through the SDK against the reference model", () => {
  it(
    "every answer, every event and every store is as the model says",
    async (context) => {
      const counts: Counts = new Map();
      let [host, runs] = [undefined as Host | undefined, 0];
      const hostOf = async (): Promise<Host> => {
        if (host !== undefined && runs % RUNS_OF_A_HOST !== 0) return host;
        await host?.close();
        host = await startHost(DEVICES.length);
        return host;
      };
      const property = fc.asyncProperty(
        rulesArbitrary,
        commandsArbitrary(MOST_COMMANDS, process.env.PARLEY_MODEL_REPLAY),
        async (rules, commands) => {
          const own = await hostOf();
          runs += 1;
          try {
            await runCommands(own, rules, commands, counts);
          } catch (error) {
            // What went wrong must not reach into the next run.
            runs = 0;
            throw error;
          }
        },
      );
      const chosen = seed();
      const path = process.env.PARLEY_MODEL_PATH;
      const began = process.cpuUsage();
      const report = await fc.check(property, {
        seed: chosen,
        numRuns: RUNS,
        ...(path !== undefined && { path }),
        interruptAfterTimeLimit: sized(400_000, 2_400_000),
        markInterruptAsFailure: true,
        endOnFailure: process.env.PARLEY_MODEL_SHRINK === undefined,
      });
      await host?.close();
      if (report.failed) {
        const text = await fc.asyncDefaultReportMessage(report);
        const again = `PARLEY_SEED=${chosen} PARLEY_MODEL_PATH='${report.counterexamplePath ?? ""}'`;
        throw new Error(
          `${text}\nagain, with the replayPath above: ${again} PARLEY_MODEL_REPLAY='…' npx vitest run test/model\n${String(report.errorInstance)}`,
        );
      }
      const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
      const used = process.cpuUsage(began);
      console.log(
        `seed ${chosen}: ${total} commands, ${((used.user + used.system) / 1000 / total).toFixed(1)} ms of CPU each`,
      );
      console.log(
        [...counts]
          .sort()
          .map(([name, count]) => `${name} ${count}`)
          .join(", "),
      );
      expect(Object.keys(KINDS).filter((name) => !counts.has(name))).toEqual([]);
      figure(
        context,
        `${total.toLocaleString("en")} commands of ${counts.size} kinds in ${RUNS} runs as the model says`,
      );
    },
    sized(500_000, 2_700_000),
  );
});
