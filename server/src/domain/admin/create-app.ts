import type { App, AppSettings } from "@parley/proto/parley/v1/app_pb.js";
import { insertApp, insertServiceKey } from "../../store/apps.js";
import type { Tx } from "../../store/committer.js";
import { appRecord, changedRules } from "../apps.js";
import type { OperatorCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { newAppId, newClientKey, newServiceKey, tokenHash } from "../tokens.js";
import { appOf, checkSettings } from "./app.js";

/** The identity of an app that is about to be made. */
export interface AppKeys {
  appId: string;
  clientKey: string;
  serviceKey: string;
}

export interface CreatedApp {
  app: App;
  clientKey: string;
  /** The first service key, known only here. */
  serviceKey: string;
}

/** Makes an app with a client key and a first service key; see OperatorService.CreateApp. */
export async function createApp(
  ctx: Ctx,
  _caller: OperatorCaller,
  request: { name: string; settings?: AppSettings | undefined },
): Promise<CreatedApp> {
  checkSettings(request.settings);
  const keys = newAppKeys();
  return await ctx.committer.run(keys.appId, (tx) => storeApp(ctx, tx, keys, request.name, request.settings));
}

export function newAppKeys(): AppKeys {
  return { appId: newAppId(), clientKey: newClientKey(), serviceKey: newServiceKey() };
}

/** Stores an app under keys that were made before. */
export async function storeApp(
  ctx: Ctx,
  tx: Tx,
  { appId, clientKey, serviceKey }: AppKeys,
  name: string,
  settings: AppSettings | undefined,
): Promise<CreatedApp> {
  const row = await insertApp(tx, {
    app_id: appId,
    name,
    client_key: clientKey,
    settings: JSON.stringify(changedRules(settings)),
    token_keys: null,
    sms_gateway: null,
    oauth_providers: null,
  });
  await insertServiceKey(tx, { id: ctx.newId(), name: "first", keyHash: tokenHash(serviceKey) });
  // Not read again after the commit: keys that were made must be told, since they are told only once.
  return { app: appOf(appRecord(row)), clientKey, serviceKey };
}
