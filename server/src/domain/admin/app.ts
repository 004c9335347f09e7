import { create } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type App, AppSchema, type AppSettings, AppSettingsSchema } from "@parley/proto/parley/v1/app_pb.js";
import type { AppRules } from "../../limits.js";
import type { AppRecord } from "../apps.js";
import type { Ctx } from "../context.js";
import { invalidField, notFound } from "../errors.js";

/** An app in the form of the contract. */
export function appOf(app: AppRecord): App {
  return create(AppSchema, {
    appId: app.appId,
    name: app.name,
    settings: settingsOf(app.rules),
    createTime: timestampFromMs(app.createMs),
    clientKey: app.clientKey,
  });
}

/** The settings in force in the form of the contract. */
export function settingsOf(rules: AppRules): AppSettings {
  return create(AppSettingsSchema, {
    allowBareIdLogin: rules.allowBareIdLogin,
    allowStrangerMessages: rules.allowStrangerMessages,
    allowAccountCreation: rules.allowAccountCreation,
    allowGuestLogin: rules.allowGuestLogin,
    smsCodesPerDay: rules.smsCodesPerDay,
    allowUserSearch: rules.allowUserSearch,
    allowNotifyEveryone: rules.allowNotifyEveryone,
    maxGroupMembers: rules.maxGroupMembers,
    maxRoomMembers: rules.maxRoomMembers,
    historyRetention: durationFromMs(rules.historyRetentionMs),
    strangerHistoryRetention: durationFromMs(rules.strangerHistoryRetentionMs),
    eventRetention: durationFromMs(rules.eventRetentionMs),
  });
}

/** Refuses spans that are neither 0, for ever, nor long enough to be meant. */
export function checkSettings(settings: AppSettings | undefined): void {
  checkSpan("settings.history_retention", settings?.historyRetention, 1);
  checkSpan("settings.stranger_history_retention", settings?.strangerHistoryRetention, 1);
  checkSpan("settings.event_retention", settings?.eventRetention, 60);
}

function checkSpan(field: string, span: Duration | undefined, leastSeconds: number): void {
  if (span === undefined || (span.seconds === 0n && span.nanos === 0)) return;
  if (span.seconds < BigInt(leastSeconds))
    throw invalidField(field, `${field} must be 0 or at least ${leastSeconds} s`);
}

/** The app of this id, for an operator: of the others' apps nobody else learns. Throws NOT_FOUND. */
export async function findAppRecord(ctx: Pick<Ctx, "apps">, appId: string): Promise<AppRecord> {
  const app = await ctx.apps.find(appId);
  if (app === undefined) throw notFound("app", "app_id");
  return app;
}
