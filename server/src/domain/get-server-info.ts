import type { Ctx } from "./context.js";

const FEATURES = [
  "attachments",
  "attributes",
  "audit_entries",
  "friends",
  "groups",
  "history",
  "installations",
  "link_credentials",
  "list_events",
  "login_bare_id",
  "login_guest",
  "login_oauth",
  "login_password",
  "login_signed_token",
  "login_sms",
  "presence",
  "presence_settings",
  "push",
  "read_markers",
  "rooms",
  "search",
  "send_batches",
  "service_keys",
  "statistics",
  "strangers",
  "subscribe",
  "system_messages",
  "transient_messages",
  "typing",
  "word_filter",
];

/** Tells the version, the limits in force and the features offered; see ServerService.GetServerInfo. */
export function getServerInfo(ctx: Pick<Ctx, "version" | "limits" | "times" | "sendsPerSecond">) {
  const { heartbeatMs, sessionMs, presenceGraceMs, presenceTellMs, ackQuietMs } = ctx.times;
  const { transientDedupMs, dedupMs, unaryMaxMs } = ctx.times;
  const times = {
    heartbeatMs,
    sessionMs,
    presenceGraceMs,
    presenceTellMs,
    ackQuietMs,
    transientDedupMs,
    dedupMs,
    unaryMaxMs,
  };
  const named = { ...ctx.limits, ...times, sendsPerSecond: ctx.sendsPerSecond };
  const limits = Object.fromEntries(Object.entries(named).map(([name, value]) => [snakeCase(name), value]));
  return { version: ctx.version, limits, features: FEATURES };
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
