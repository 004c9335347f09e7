import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { AppSettingsSchema } from "@parley/proto/parley/v1/app_pb.js";
import { claimFirstApp, findApp, listApps } from "../store/apps.js";
import { type AppKeys, newAppKeys, storeApp } from "./admin/create-app.js";
import type { Ctx } from "./context.js";
import { readSecretFile, writeSecretFile } from "./secret-file.js";

/** The app that the first start makes, with its keys. */
export type DevelopmentApp = AppKeys;

/**
 * Makes the app for development at the first start on an empty store, and finds its keys again at later starts.
 * Undefined when the store's apps were made otherwise.
 */
export async function ensureDevelopmentApp(ctx: Ctx, dataDir: string): Promise<DevelopmentApp | undefined> {
  const file = join(dataDir, "development-app.json");
  const kept = parse(readSecretFile(file));
  const known = kept === undefined ? undefined : await ctx.apps.find(kept.appId);
  if (kept !== undefined && known !== undefined) return { ...kept, clientKey: known.clientKey };
  if ((await listApps(ctx.read, "", 1)).length > 0) return undefined;
  // The file first: a crash in between leaves keys that the next start uses, and never an app whose keys are lost.
  const keys = kept ?? newAppKeys();
  const { appId: app_id, clientKey: client_key, serviceKey: service_key } = keys;
  writeSecretFile(file, JSON.stringify({ app_id, client_key, service_key }, undefined, 2));
  const settings = create(AppSettingsSchema, { allowBareIdLogin: true });
  const made = await ctx.committer.run(keys.appId, async (tx) => {
    if (await claimFirstApp(tx)) await storeApp(ctx, tx, keys, "Development", settings);
    return (await findApp(tx.db, keys.appId)) !== undefined;
  });
  return made ? keys : undefined;
}

function parse(text: string | undefined): AppKeys | undefined {
  if (text === undefined) return undefined;
  const { app_id: appId, client_key: clientKey, service_key: serviceKey } = JSON.parse(text) as Record<string, unknown>;
  if (typeof appId !== "string" || typeof clientKey !== "string" || typeof serviceKey !== "string") return undefined;
  return { appId, clientKey, serviceKey };
}
