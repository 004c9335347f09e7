import type { PushOutcome } from "../ports.js";

/** What Apple answered, as far as it did. */
export interface ApnsAnswer {
  status?: number | undefined;
  reason?: string | undefined;
  /** The time, in milliseconds, at which a token was last found good for nothing. */
  timestamp?: number | undefined;
  /** How long it asks to be left alone. */
  delayMs?: number | undefined;
}

const DEAD_TOKEN = new Set([
  "BadDeviceToken",
  "DeviceTokenNotForTopic",
  "MissingDeviceToken",
  "Unregistered",
  "ExpiredToken",
]);
const NO_CREDENTIAL = new Set([
  "BadCertificate",
  "BadCertificateEnvironment",
  "InvalidProviderToken",
  "MissingProviderToken",
  "TopicDisallowed",
]);
const LATER = new Set(["ExpiredProviderToken", "IdleTimeout", "TooManyProviderTokenUpdates", "TooManyRequests"]);

/** What an answer of Apple means for the push. */
export function apnsOutcome({ status, reason: told, timestamp, delayMs }: ApnsAnswer): PushOutcome {
  const reason = told ?? (status === undefined ? "no answer" : `HTTP ${status}`);
  if (status === undefined) return { kind: "later", reason };
  if (status === 200) return { kind: "sent", status };
  if (status === 410 || DEAD_TOKEN.has(reason))
    return { kind: "dead_token", status, reason, ...(timestamp !== undefined && { sinceMs: timestamp }) };
  if (status === 429 || status >= 500 || status === 408 || LATER.has(reason))
    return { kind: "later", status, reason, ...(delayMs !== undefined && { delayMs }) };
  if (status === 403 || NO_CREDENTIAL.has(reason)) return { kind: "no_credential", status, reason };
  return { kind: "refused", status, reason };
}
