import { statSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { runCommand, storeCommandFailure } from "./failure.js";
import { DATA_GROUP, databaseUrlOption, dataDirOption, examples, jsonOption, needsSqlite } from "./options.js";
import { showProgress } from "./progress.js";

interface Options {
  dataDir: string;
  databaseUrl?: string;
  force?: boolean;
  json?: boolean;
}

/** `parley backup`: copies the database, of a running server too. */
export function backupCommand(): Command {
  return new Command("backup")
    .helpGroup(DATA_GROUP)
    .description("copy everything stored into one file, while the server runs or not")
    .argument("<file>", "file to write")
    .addOption(dataDirOption())
    .addOption(databaseUrlOption().hideHelp())
    .option("--force", "replace the file if it is there")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      WHAT_IS_IN_IT + examples("parley backup /mnt/backup/parley-$(date +%F).db", "parley backup --force latest.db"),
    )
    .action((file: string, options: Options) => runCommand(() => backup(resolve(file), options)));
}

const WHAT_IS_IN_IT = `
The file is the database as it was at one moment. It holds messages and the hashes of passwords and tokens: only
its owner can read it. The secret-key of the data folder is not in it, so that who has the one has not the other:
keep a copy of it elsewhere, once. Without it the keys that check signed tokens have to be set again.
`;

async function backup(file: string, { dataDir, databaseUrl, force, json }: Options): Promise<void> {
  needsSqlite(databaseUrl, "copy it with pg_dump, see docs/operations.md");
  const { backupStore } = await import("../index.js");
  const progress = showProgress("copied");
  try {
    await backupStore(dataDir, file, { force: force === true, ...progress });
  } catch (error) {
    throw storeCommandFailure(error);
  } finally {
    progress.end();
  }
  const { size } = statSync(file);
  process.stdout.write(
    json === true
      ? `${JSON.stringify({ file, bytes: size })}\n`
      : `${file}: ${(size / 1024 / 1024).toFixed(1)} MiB, checked\nsecret-key is not in it: keep a copy of ${resolve(dataDir, "secret-key")} elsewhere\n`,
  );
}
