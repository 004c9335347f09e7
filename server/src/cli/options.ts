import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Option } from "commander";
import { CommandFailure, EXIT } from "./failure.js";

/** Where `parley serve` serves and keeps its data when nothing else is said. */
export const DEFAULT_URL = "http://127.0.0.1:7777";
export const DEFAULT_DATA_DIR = "data";

/** The options of the commands that talk to a running server. */
export const urlOption = () =>
  new Option("--url <url>", "address of the server").env("PARLEY_URL").default(DEFAULT_URL);
export const dataDirOption = () =>
  new Option("--data-dir <folder>", "data folder of a server on this machine")
    .env("PARLEY_DATA_DIR")
    .default(DEFAULT_DATA_DIR);
export const databaseUrlOption = () =>
  new Option("--database-url <url>", "the server's, when it is on PostgreSQL").env("PARLEY_DATABASE_URL");
export const jsonOption = () => new Option("--json", "answer in JSON");

/** The group in the help of the commands that work on a data folder. */
export const DATA_GROUP = "Run a server and look after it:";

/** The address of a PostgreSQL database, or undefined when it stands for SQLite in the data folder. */
export function postgresUrl(given: string | undefined): string | undefined {
  return given !== undefined && /^postgres(ql)?:/.test(given) ? given : undefined;
}

/** Refuses a command that works on the file of SQLite for a server that has none. */
export function needsSqlite(databaseUrl: string | undefined, instead: string): void {
  if (postgresUrl(databaseUrl) !== undefined)
    throw new CommandFailure(`PARLEY_DATABASE_URL names a PostgreSQL database: ${instead}`, EXIT.setting);
}

/** The text of a file in the data folder, or undefined when it cannot be read. */
export function readDataFile(dataDir: string, name: string): string | undefined {
  try {
    return readFileSync(join(dataDir, name), "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Examples for the end of a command's help. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`;
}
