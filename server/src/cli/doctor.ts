import { resolve } from "node:path";
import { Command, Option } from "commander";
import type { Finding } from "../index.js";
import { EXIT, runCommand } from "./failure.js";
import { DATA_GROUP, databaseUrlOption, dataDirOption, examples, jsonOption, postgresUrl } from "./options.js";

interface Options {
  dataDir: string;
  databaseUrl?: string;
  secretKey?: string;
  quick?: boolean;
  json?: boolean;
}

/** `parley doctor`: says what is wrong with a data folder. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .helpGroup(DATA_GROUP)
    .description("check a data folder, while the server runs or not; ends with 1 when something is wrong")
    .addOption(dataDirOption())
    .addOption(databaseUrlOption())
    .addOption(new Option("--secret-key <key>", "the server's, when it is not in the folder").env("PARLEY_SECRET_KEY"))
    .option("--quick", "leave out what reads every row")
    .addOption(jsonOption())
    .addHelpText("after", examples("parley doctor", "parley doctor --data-dir /var/lib/parley --quick --json"))
    .action((options: Options) => runCommand(() => examine(options)));
}

async function examine({ dataDir, databaseUrl, secretKey, quick, json }: Options): Promise<void> {
  const { examineFolder } = await import("../index.js");
  const findings = await examineFolder(resolve(dataDir), {
    quick: quick === true,
    secretKey,
    databaseUrl: postgresUrl(databaseUrl),
  });
  const healthy = findings.every(({ state }) => state !== "problem");
  process.stdout.write(json === true ? `${JSON.stringify({ healthy, findings })}\n` : `${plain(findings)}\n`);
  if (!healthy) process.exitCode = EXIT.failure;
}

const SIGNS: Record<Finding["state"], string> = { ok: "  ", notice: "! ", problem: "X " };

function plain(findings: readonly Finding[]): string {
  return findings.map(({ check, state, text }) => `${SIGNS[state]}${check.padEnd(12)} ${text}`).join("\n");
}
