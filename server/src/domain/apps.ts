import type { AppSettings } from "@parley/proto/parley/v1/app_pb.js";
import { APP_DEFAULTS, type AppRules } from "../limits.js";
import type { Clock } from "../ops/clock.js";
import { findApp, listApps } from "../store/apps.js";
import type { Db, Row } from "../store/schema.js";

/** An app with its settings in force. */
export interface AppRecord {
  appId: string;
  name: string;
  clientKey: string;
  createMs: number;
  rules: AppRules;
  tokenKeys: Uint8Array | null;
  smsGateway: Uint8Array | null;
  oauthProviders: Uint8Array | null;
}

/** The apps by id, as they are stored. */
export interface AppCache {
  find(appId: string): Promise<AppRecord | undefined>;
  /** Forgets an app that was changed. */
  forget(appId: string): void;
}

/** Makes the cache. `lifeMs` is how long an entry is believed: what another process changed is so here no later than this. */
export function createAppCache(read: Db, clock: Pick<Clock, "mono">, lifeMs: number): AppCache {
  const known = new Map<string, { app: AppRecord; untilMs: number }>();
  let forgotten = 0;
  return {
    async find(appId) {
      const cached = known.get(appId);
      if (cached !== undefined && cached.untilMs > clock.mono()) return cached.app;
      const [before, untilMs] = [forgotten, clock.mono() + lifeMs];
      const row = await findApp(read, appId);
      if (row === undefined) return undefined;
      const app = appRecord(row);
      // What was forgotten while this was read may have been this.
      if (before === forgotten) known.set(appId, { app, untilMs });
      return app;
    },
    forget(appId) {
      forgotten += 1;
      known.delete(appId);
    },
  };
}

/** An app as it is stored, with what its settings leave to the defaults. */
export function appRecord(row: Row<"app">): AppRecord {
  return {
    appId: row.app_id,
    name: row.name,
    clientKey: row.client_key,
    createMs: row.create_ms,
    rules: { ...APP_DEFAULTS, ...(JSON.parse(row.settings) as Partial<AppRules>) },
    tokenKeys: row.token_keys,
    smsGateway: row.sms_gateway,
    oauthProviders: row.oauth_providers,
  };
}

/** The apps that allow login by a bare id, the first thousand. */
export async function listOpenApps(ctx: { read: Db; apps: AppCache }): Promise<AppRecord[]> {
  const rows = await listApps(ctx.read, "", 1000);
  const apps = await Promise.all(rows.map((row) => ctx.apps.find(row.app_id)));
  return apps.filter((app) => app?.rules.allowBareIdLogin === true) as AppRecord[];
}

/** The settings that a request names, in the form they are stored in. */
export function changedRules(settings: AppSettings | undefined): Partial<AppRules> {
  if (settings === undefined) return {};
  const ms = (d: { seconds: bigint; nanos: number } | undefined) =>
    d === undefined ? undefined : Number(d.seconds) * 1000 + Math.floor(d.nanos / 1_000_000);
  const named: { [K in keyof AppRules]: AppRules[K] | undefined } = {
    allowBareIdLogin: settings.allowBareIdLogin,
    allowStrangerMessages: settings.allowStrangerMessages,
    allowAccountCreation: settings.allowAccountCreation,
    allowGuestLogin: settings.allowGuestLogin,
    smsCodesPerDay: settings.smsCodesPerDay,
    allowUserSearch: settings.allowUserSearch,
    allowNotifyEveryone: settings.allowNotifyEveryone,
    maxGroupMembers: settings.maxGroupMembers,
    maxRoomMembers: settings.maxRoomMembers,
    historyRetentionMs: ms(settings.historyRetention),
    strangerHistoryRetentionMs: ms(settings.strangerHistoryRetention),
    eventRetentionMs: ms(settings.eventRetention),
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}
