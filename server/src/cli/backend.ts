import type { DescService } from "@bufbuild/protobuf";
import { type Client, createClient } from "@connectrpc/connect";
import { type Command, Option } from "commander";
import { type Answer, answer } from "./answer.js";
import { CommandFailure, EXIT } from "./failure.js";
import { dataDirOption, jsonOption, readDataFile, urlOption } from "./options.js";
import { transportTo } from "./transport.js";

/** The options of a command that acts as the app's backend. */
export interface BackendOptions {
  url: string;
  serviceKey?: string;
  dataDir: string;
  json?: boolean;
}

/** Adds a command that acts as the app's backend. */
export function backendCommand(parent: Command, name: string, description: string): Command {
  return backendOptions(parent.command(name).description(description));
}

/** Adds what a command needs to act as the app's backend. */
export function backendOptions(command: Command): Command {
  return command
    .addOption(urlOption())
    .addOption(new Option("--service-key <key>", "a service key of the app").env("PARLEY_SERVICE_KEY"))
    .addOption(dataDirOption())
    .addOption(jsonOption());
}

/** Calls services of a running server by the app's service key; without one, by that of a development app on this machine. */
export async function asBackend(
  options: BackendOptions,
  nothing: string,
  work: (service: <S extends DescService>(service: S) => Client<S>) => Promise<Answer | Answer[]>,
): Promise<void> {
  await answer(options, nothing, () => work(backendServices(options)));
}

/** The services of a running server for one that acts as the app's backend. */
export function backendServices(options: BackendOptions): <S extends DescService>(service: S) => Client<S> {
  const key = options.serviceKey ?? developmentKey(options.dataDir);
  const transport = transportTo(options.url, () => key);
  return (service) => createClient(service, transport);
}

function developmentKey(dataDir: string): string {
  const text = readDataFile(dataDir, "development-app.json");
  if (text === undefined)
    throw new CommandFailure(
      `which app? give --service-key or PARLEY_SERVICE_KEY, or the server's --data-dir (${dataDir} holds no development app)`,
      EXIT.setting,
    );
  return (JSON.parse(text) as { service_key: string }).service_key;
}
