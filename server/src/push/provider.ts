import type { Clock } from "../ops/clock.js";
import type { Push, PushOutcome } from "../ports.js";

/** One way to one provider, with one credential. */
export interface Provider {
  /** Hands over one push. It may throw, and nobody waits for it any more once the signal says that its time is over. */
  send(token: string, push: Push, overdue: AbortSignal): Promise<PushOutcome>;
  /** Ends every connection at once. */
  close(): void;
}

/** What providers are made with. */
export interface ProviderOptions {
  clock: Clock;
  /** How long an answer is waited for. */
  timeoutMs: number;
  /** The most that is read of an answer. */
  answerBytes: number;
}

/** How long a provider asks to be left alone, from the Retry-After of its answer: seconds, or a date. */
export function retryAfterMs(header: string | null | undefined, nowMs: number): number | undefined {
  if (header === null || header === undefined) return undefined;
  if (/^\d{1,6}$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

/** The system's word for why there was no answer, such as ECONNREFUSED: that of the innermost cause which has one. */
export function codeOf(error: unknown): string | undefined {
  let code: string | undefined;
  let at = error as { code?: unknown; cause?: unknown; jse_cause?: unknown } | undefined;
  for (let depth = 0; depth < 5 && typeof at === "object" && at !== null; depth += 1) {
    if (typeof at.code === "string") code = at.code;
    // VError, which node-apn throws, keeps its cause under a name of its own.
    at = (at.jse_cause ?? (typeof at.cause === "function" ? undefined : at.cause)) as typeof at;
  }
  return code;
}
