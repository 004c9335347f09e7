import { join } from "node:path";
import { eventually } from "../support/index.js";
import { parleyMain } from "../support/one-file.js";
import { type Program, root, start, temporaryFolder } from "./programs.js";

export const mainFile = join(root, "server/dist/main.js");

/** A server in a process of its own, on a free port and in a folder of its own. */
export interface ServerProcess {
  url: string;
  appId: string;
  clientKey: string;
  serviceKey: string;
  program: Program;
  stop(): Promise<void>;
}

export async function startProcess(env: Record<string, string> = {}): Promise<ServerProcess> {
  const dataDir = temporaryFolder();
  const settings = { PARLEY_DATA_DIR: dataDir, PARLEY_SEND_RATE: "0", PARLEY_LOG_LEVEL: "warn", ...env };
  const program = start(process.execPath, [parleyMain, "serve", "--port", "0", "--json-ready"], {
    env: settings,
    atEnd: () => undefined,
  });
  const ready = await eventually(() => {
    const [line] = program.lines<{ url: string; app_id: string; client_key: string; service_key: string }>();
    if (line !== undefined) return line;
    throw new Error(`the server is not ready: ${program.text()}${program.stderr()}`);
  }, 20_000);
  return {
    url: ready.url,
    appId: ready.app_id,
    clientKey: ready.client_key,
    serviceKey: ready.service_key,
    program,
    stop: () => program.stop(),
  };
}
