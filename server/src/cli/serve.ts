import { Command, Option } from "commander";
import { parseSettings, readVersion, SETTINGS, type SettingInfo, type SettingName, type Settings } from "../config.js";
import { CommandFailure, databaseFailure, EXIT, runCommand } from "./failure.js";
import { DATA_GROUP, examples } from "./options.js";
import { welcomeText } from "./welcome.js";

type Options = Partial<Record<SettingName, string | true>> & { jsonReady?: boolean };

/** `parley serve`: runs the server until it is told to stop. */
export function serveCommand(): Command {
  const command = new Command("serve")
    .helpGroup(DATA_GROUP)
    .description("run the server; the first start in an empty data folder makes a development app");
  for (const { env, flag, value, help } of Object.values(SETTINGS) as SettingInfo[])
    command.addOption(new Option(`${flag} ${value === undefined ? "[true|false]" : `<${value}>`}`, help).env(env));
  return command
    .option("--json-ready", "print one line of JSON when the server takes calls, instead of the greeting")
    .addHelpText("after", examples("parley serve", "parley serve --port 8080 --data-dir /var/lib/parley"))
    .action(({ jsonReady, ...given }: Options) => runCommand(() => serve(checked(given), jsonReady === true)));
}

function checked(given: Partial<Record<SettingName, string | true>>): Settings {
  const texts = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)]));
  const parsed = parseSettings(texts);
  if (!parsed.ok) throw new CommandFailure(parsed.problems.join("\nparley: "), EXIT.setting);
  return parsed.settings;
}

async function serve(settings: Settings, jsonReady: boolean): Promise<void> {
  // Loaded only here, so that the other commands start without a database.
  const { startServer } = await import("../index.js");
  const server = await startServer(settings).catch((error: unknown) => {
    throw startFailure(error, settings);
  });
  // Once: the second signal of an impatient user ends the process at once.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void server.close());
  const { url, developmentApp } = server;
  process.stdout.write(
    jsonReady
      ? `${JSON.stringify(readyLine(url, developmentApp))}\n`
      : welcomeText({ version: readVersion(), url, dataDir: settings.dataDir, developmentApp }),
  );
  const { fatal } = await server.closed;
  // What cannot trust its disk must not serve a moment longer, nor wait for anything.
  if (fatal) process.exit(EXIT.store);
}

function readyLine(url: string, app: { appId: string; clientKey: string; serviceKey: string } | undefined) {
  return { url, app_id: app?.appId, client_key: app?.clientKey, service_key: app?.serviceKey };
}

function startFailure(error: unknown, { dataDir }: Settings): unknown {
  if (!(error instanceof Error)) return error;
  const code = "code" in error ? String(error.code) : "";
  if (error.name === "FolderLockedError") return new CommandFailure(error.message, EXIT.locked);
  const { cause } = error;
  if (cause instanceof Error && "syscall" in cause && /^(listen|getaddrinfo)$/.test(String(cause.syscall)))
    return new CommandFailure(`${error.message} (--port, --host)`, EXIT.unavailable);
  if (error.name === "DatabaseStartError") return databaseFailure(error);
  if (error.name === "S3Error")
    return new CommandFailure(
      error.message,
      "final" in error && error.final === true ? EXIT.setting : EXIT.unavailable,
    );
  if (error.name === "DatabaseFileError") return new CommandFailure(error.message, EXIT.store);
  if (code === "SQLITE_BUSY")
    return new CommandFailure(`another program holds the database in ${dataDir} for writing`, EXIT.locked);
  if (error.name === "StoreError" || code.startsWith("SQLITE_"))
    return new CommandFailure(`the store in ${dataDir} cannot be opened: ${error.message}`, EXIT.store);
  if (/^E(ACCES|PERM|ROFS|NOTDIR|EXIST|NOSPC)$/.test(code))
    return new CommandFailure(`the data folder ${dataDir} cannot be used: ${error.message}`, EXIT.setting);
  return error;
}
