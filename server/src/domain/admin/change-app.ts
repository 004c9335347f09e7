import type { AppSettings } from "@parley/proto/parley/v1/app_pb.js";
import { findApp, updateApp as updateRow } from "../../store/apps.js";
import { type AppRecord, appRecord, changedRules } from "../apps.js";
import type { Ctx } from "../context.js";
import { notFound } from "../errors.js";
import { checkSettings, findAppRecord } from "./app.js";

/** What may change of an app; what is absent stays. */
export interface AppChange {
  name?: string | undefined;
  clientKey?: string;
  settings?: AppSettings | undefined;
  tokenKeys?: Uint8Array | null;
  smsGateway?: Uint8Array;
  oauthProviders?: Uint8Array | null;
}

/** The one way to change an app. Settings are merged into those stored, key by key. Throws NOT_FOUND. */
export async function changeApp(ctx: Ctx, appId: string, change: AppChange): Promise<AppRecord> {
  checkSettings(change.settings);
  // Asked before, because the first write under an id begins a log for it.
  await findAppRecord(ctx, appId);
  return await ctx.committer.run(appId, async (tx) => {
    const row = await findApp(tx.db, appId);
    if (row === undefined) throw notFound("app", "app_id");
    const rules = changedRules(change.settings);
    const changed = {
      ...(change.name !== undefined && { name: change.name }),
      ...(change.clientKey !== undefined && { client_key: change.clientKey }),
      ...(change.tokenKeys !== undefined && { token_keys: change.tokenKeys }),
      ...(change.smsGateway !== undefined && { sms_gateway: change.smsGateway }),
      ...(change.oauthProviders !== undefined && { oauth_providers: change.oauthProviders }),
      ...(Object.keys(rules).length > 0 && { settings: JSON.stringify({ ...JSON.parse(row.settings), ...rules }) }),
    };
    await updateRow(tx, changed);
    tx.afterCommit(() => ctx.apps.forget(appId));
    // Not read again after the commit: what is done must not be told as a failure.
    return appRecord({ ...row, ...changed });
  });
}
