import { join } from "node:path";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { DayPlace } from "../contestant.js";
import type { LaunchPlan, ReadyLine } from "../server-process.js";

/** The program of the build. */
export const parleyMain: string = join(import.meta.dirname, "../../../server/dist/main.js");

/** Where a server keeps its store. */
export const dataFolder = (dataDir: string): string => join(dataDir, "data");

/** Parley as its command line starts it; only the limit on sends is lifted. */
export function launchParley(dataDir: string): LaunchPlan {
  return {
    script: parleyMain,
    args: ["serve", "--port", "0", "--json-ready"],
    env: { PARLEY_DATA_DIR: dataFolder(dataDir), PARLEY_SEND_RATE: "0", PARLEY_LOG_LEVEL: "error" },
  };
}

/** The development app of a first start. */
export function developmentApp({ app_id: appId, client_key: clientKey }: ReadyLine) {
  if (appId === undefined || clientKey === undefined) throw new Error("the server told no app_id and client_key");
  return { appId, clientKey };
}

/** The calls of a backend. */
export function adminOf({ url: baseUrl, service_key: key = "" }: ReadyLine) {
  const withKey: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${key}`);
    return next(request);
  };
  return createClient(AdminService, createConnectTransport({ baseUrl, httpVersion: "2", interceptors: [withKey] }));
}

/** The members that an app allows a group at first. */
const usualMembers = 500;

/** Lets the app have groups of so many. */
export async function allowGroupOf(server: ReadyLine, members: number): Promise<void> {
  if (members > usualMembers) await adminOf(server).updateSettings({ settings: { maxGroupMembers: members } });
}

export function toPeer({ kind, id }: DayPlace) {
  const peers = {
    user: { case: "userId", value: id } as const,
    group: { case: "groupId", value: id } as const,
    room: { case: "roomId", value: id } as const,
  };
  return { peer: peers[kind] };
}
