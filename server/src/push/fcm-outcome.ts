import type { PushOutcome } from "../ports.js";

/** What Google answered. */
export interface FcmAnswer {
  status: number;
  /** The JSON, or undefined when it is none. */
  body: unknown;
  /** How long it asks to be left alone. */
  delayMs?: number | undefined;
}

interface GoogleError {
  status?: unknown;
  details?: { errorCode?: unknown; fieldViolations?: { field?: unknown }[] }[];
}

/** What an answer to a push means for it. */
export function fcmOutcome({ status, body, delayMs }: FcmAnswer): PushOutcome {
  if (status === 200) return { kind: "sent", status };
  const error = (body as { error?: GoogleError } | undefined)?.error;
  const details = Array.isArray(error?.details) ? error.details : [];
  const code = details.map((detail) => detail?.errorCode).find((each) => typeof each === "string");
  const reason = String(code ?? error?.status ?? `HTTP ${status}`);
  if (status === 429 || status === 408 || status >= 500) return laterBy(status, reason, delayMs);
  if (status === 404)
    // What knows nothing of pushes, such as a proxy, may say 404 too: it must not cost every phone its token.
    return error === undefined ? laterBy(status, reason, delayMs) : { kind: "dead_token", status, reason };
  if (reason === "SENDER_ID_MISMATCH") return { kind: "dead_token", status, reason };
  if (status === 401 || status === 403) return { kind: "no_credential", status, reason };
  if (reason === "INVALID_ARGUMENT" && isOfToken(details)) return { kind: "dead_token", status, reason };
  return { kind: "refused", status, reason };
}

/** What an answer of the place that gives out access tokens means for the push that wants one. */
export function grantOutcome({ status, body, delayMs }: FcmAnswer): PushOutcome {
  const told = (body as { error?: unknown } | undefined)?.error;
  const reason = typeof told === "string" ? told : `HTTP ${status}`;
  if (status === 400 || status === 401 || status === 403) return { kind: "no_credential", status, reason };
  return laterBy(status, reason, delayMs);
}

function laterBy(status: number, reason: string, delayMs: number | undefined): PushOutcome {
  return { kind: "later", status, reason, ...(delayMs !== undefined && { delayMs }) };
}

/** Whether what is wrong with a message is its token. */
function isOfToken(details: GoogleError["details"] & object): boolean {
  return details.some((detail) => detail?.fieldViolations?.some(({ field }) => field === "message.token"));
}
