import { resolve } from "node:path";
import { Command } from "commander";
import { runCommand, storeCommandFailure } from "./failure.js";
import { DATA_GROUP, databaseUrlOption, dataDirOption, examples, jsonOption, needsSqlite } from "./options.js";
import { showProgress } from "./progress.js";

interface Options {
  dataDir: string;
  databaseUrl?: string;
  json?: boolean;
}

/** `parley restore`: puts a backup in the place of the database. */
export function restoreCommand(): Command {
  return new Command("restore")
    .helpGroup(DATA_GROUP)
    .description("put a backup in the place of the database of a stopped server")
    .argument("<backup>", "file that parley backup wrote")
    .addOption(dataDirOption())
    .addOption(databaseUrlOption().hideHelp())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      WHAT_FOLLOWS + examples("parley restore /mnt/backup/parley-2030-01-01.db --data-dir /var/lib/parley"),
    )
    .action((backup: string, options: Options) => runCommand(() => restore(resolve(backup), options)));
}

const WHAT_FOLLOWS = `
The database that was there is kept under another name. Clients that saw what is not in the backup are told to load
again (resync, HISTORY_CHANGED), and nobody else is. Everything is as it was then: sessions that were ended since are
open again, members that were removed since are members again.
`;

async function restore(backup: string, { dataDir, databaseUrl, json }: Options): Promise<void> {
  needsSqlite(databaseUrl, "restore it with pg_restore, see docs/operations.md");
  const { restoreStore } = await import("../index.js");
  const database = resolve(dataDir, "parley.db");
  const keepName = `${database}.replaced-${new Date().toISOString().replace(/[:.]/g, "-")}`;
  const progress = showProgress("copied");
  let kept = false;
  try {
    ({ kept } = await restoreStore(backup, resolve(dataDir), { keepName, ...progress }));
  } catch (error) {
    throw storeCommandFailure(error);
  } finally {
    progress.end();
  }
  const old = kept ? keepName : undefined;
  process.stdout.write(
    json === true
      ? `${JSON.stringify({ database, kept: old })}\n`
      : `${database} is now ${backup}${old === undefined ? "" : `\nthe database before it is ${old}`}\nto look it over: parley doctor --data-dir ${dataDir}\n`,
  );
}
