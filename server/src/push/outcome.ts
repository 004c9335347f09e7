import type { PushOutcome } from "../ports.js";

/** What becomes of a job after a try. */
export type Settlement =
  /** The provider has it. */
  | { kind: "sent" }
  /** It is given up, and counts as failed. */
  | { kind: "failed"; reason: string }
  /** Nobody is there to get it. */
  | { kind: "dropped"; reason: string }
  /** The token is good no more: it goes, with all that waits for it, unless the app has registered it again since. */
  | {
      kind: "dead_token";
      reason: string;
      token: string;
      sinceMs: number | undefined;
      again: { runMs: number; tries: number } | undefined;
    }
  /** It is tried again. */
  | { kind: "again"; runMs: number; tries: number };

export interface RetryRules {
  tries: number;
  baseMs: number;
  mostMs: number;
}

/** Full jitter: a random part of a wait that doubles with every try, so that those who failed together do not come back together. */
export function retryWait(tries: number, { baseMs, mostMs }: RetryRules, random: () => number): number {
  return Math.round(random() * Math.min(mostMs, baseMs * 2 ** tries));
}

/** Decides what becomes of a job that has been tried `job.tries` times before this answer. */
export function settlementOf(
  job: { tries: number; expire_ms: number },
  outcome: PushOutcome,
  token: string,
  nowMs: number,
  rules: RetryRules,
  random: () => number,
): Settlement {
  const again = (delayMs: number, tries: number) => {
    const runMs = nowMs + Math.max(delayMs, retryWait(job.tries, rules, random));
    return tries >= rules.tries || runMs >= job.expire_ms ? undefined : { runMs, tries };
  };
  switch (outcome.kind) {
    case "sent":
      return { kind: "sent" };
    case "refused":
      return { kind: "failed", reason: outcome.reason };
    case "dead_token": {
      const { reason, sinceMs } = outcome;
      return { kind: "dead_token", reason, token, sinceMs, again: again(0, job.tries + 1) };
    }
    case "no_credential":
    case "later": {
      // A missing credential is not the job's fault, and burns none of its tries.
      const next = outcome.kind === "later" ? again(outcome.delayMs ?? 0, job.tries + 1) : again(0, job.tries);
      return next === undefined ? { kind: "failed", reason: outcome.reason } : { kind: "again", ...next };
    }
  }
}
