import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { parseSettings } from "../config.js";
import { CommandFailure, EXIT, runCommand, storeCommandFailure } from "./failure.js";
import { DATA_GROUP, examples, jsonOption, postgresUrl } from "./options.js";
import { showProgress } from "./progress.js";

interface Options {
  from: string;
  to: string;
  json?: boolean;
}

/** `parley copy`: moves what a server on SQLite has stored to PostgreSQL. */
export function copyCommand(): Command {
  return new Command("copy")
    .helpGroup(DATA_GROUP)
    .description("copy everything stored by a stopped server on SQLite into an empty PostgreSQL database")
    .addOption(new Option("--from <store>", "sqlite:<data folder>").makeOptionMandatory())
    .addOption(
      new Option("--to <url>", "postgres://user:password@host:port/database")
        .env("PARLEY_DATABASE_URL")
        .makeOptionMandatory(),
    )
    .addOption(jsonOption())
    .addHelpText(
      "after",
      WHAT_FOLLOWS + examples("parley copy --from sqlite:./data --to postgres://parley:secret@db:5432/parley"),
    )
    .action((options: Options) => runCommand(() => copy(options)));
}

const WHAT_FOLLOWS = `
Every row is read back and compared. The folder is not changed. A copy that was cut short leaves nothing behind: run it
again. Sessions, cursors and pushes that wait go on where they were. PARLEY_SECRET_KEY is as for serve; without it the
key of the folder is meant. Attachments are files, and are not copied.
`;

async function copy({ from, to, json }: Options): Promise<void> {
  const dataDir = folderOf(from);
  if (postgresUrl(to) === undefined)
    throw new CommandFailure("--to must be postgres://user:password@host:port/database");
  const { PARLEY_SECRET_KEY: secretKey, PARLEY_UNSAFE_DATABASE: unsafeDatabase } = process.env;
  const given = parseSettings({ databaseUrl: to, secretKey, unsafeDatabase });
  if (!given.ok) throw new CommandFailure(given.problems.join("\nparley: "), EXIT.setting);
  const { copyStore } = await import("../index.js");
  const progress = showProgress("copied and compared");
  const tables = await copyStore(dataDir, { ...given.settings, databaseUrl: to, ...progress })
    .catch((error: unknown) => {
      throw storeCommandFailure(error);
    })
    .finally(() => progress.end());
  const attachments = resolve(dataDir, "attachments");
  if (json === true) process.stdout.write(`${JSON.stringify({ tables })}\n`);
  else process.stdout.write(`${plain(tables)}\n\n${whatIsLeft(dataDir, existsSync(attachments))}\n`);
}

/** The data folder that `sqlite:<folder>` names. */
function folderOf(from: string): string {
  const [, folder = ""] = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(from) ?? [];
  if (folder !== "") return resolve(folder);
  const instead = postgresUrl(from) === undefined ? "" : ": from PostgreSQL copy with pg_dump, see docs/operations.md";
  throw new CommandFailure(`--from must be sqlite:<data folder>${instead}`);
}

function plain(tables: readonly { table: string; rows: number }[]): string {
  const all = tables.reduce((sum, { rows }) => sum + rows, 0);
  const lines = tables.filter(({ rows }) => rows > 0).map(({ table, rows }) => `${table.padEnd(16)} ${rows}`);
  return [...lines, `${all} rows, each compared`].join("\n");
}

function whatIsLeft(dataDir: string, attachments: boolean): string {
  const files =
    "its attachments are files: keep the folder as PARLEY_DATA_DIR of the only node, or put them into a bucket";
  return [
    `start it: PARLEY_DATABASE_URL=postgres://… parley serve --data-dir ${dataDir}`,
    ...(attachments ? [`${files} (docs/operations.md, "Moving to PostgreSQL")`] : []),
    `${resolve(dataDir, "parley.db")} is of yesterday from then on: put it away, so that no server starts on it`,
  ].join("\n");
}
