import { join } from "node:path";
import type { Target } from "../contestant.js";
import type { LaunchPlan, ReadyLine } from "../server-process.js";

const main = join(import.meta.dirname, "../../../server/dist/main.js");

/** Parley as its command line starts it; only the limit on sends is lifted. */
export function launchParley(dataDir: string): LaunchPlan {
  return {
    script: main,
    args: ["serve", "--port", "0", "--json-ready"],
    env: { PARLEY_DATA_DIR: join(dataDir, "data"), PARLEY_SEND_RATE: "0", PARLEY_LOG_LEVEL: "error" },
  };
}

/** The development app of a first start. */
export function developmentApp({ app_id: appId, client_key: clientKey }: ReadyLine) {
  if (appId === undefined || clientKey === undefined) throw new Error("the server told no app_id and client_key");
  return { appId, clientKey };
}

export function toPeer({ kind, id }: Target) {
  return {
    peer: kind === "user" ? ({ case: "userId", value: id } as const) : ({ case: "groupId", value: id } as const),
  };
}
