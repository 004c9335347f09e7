import type { Clock } from "../ops/clock.js";
import { DomainError, ErrorReason } from "./errors.js";

/** The memory of who did how much lately. */
export interface TokenBuckets {
  /** Takes `cost` from a bucket that refills at `perSecond` up to `burst`, or throws RATE_LIMITED with the time to wait. */
  take(key: string, perSecond: number, burst: number, cost?: number): void;
  /** The same, answering whether it was allowed. */
  tryTake(key: string, perSecond: number, burst: number, cost?: number): boolean;
}

interface Bucket {
  tokens: number;
  atMs: number;
  fullAtMs: number;
}

const SWEEP_SIZE = 10_000;

/** Makes token buckets in memory; one that is full again is forgotten. */
export function createTokenBuckets(clock: Clock): TokenBuckets {
  const buckets = new Map<string, Bucket>();
  const sweep = (nowMs: number) => {
    for (const [key, bucket] of buckets) if (bucket.fullAtMs <= nowMs) buckets.delete(key);
  };
  let sweepAt = SWEEP_SIZE;
  /** Takes from a bucket and gives 0, or gives the time to wait. */
  const draw = (key: string, perSecond: number, burst: number, cost: number): number => {
    const nowMs = clock.mono();
    const bucket = buckets.get(key) ?? { tokens: burst, atMs: nowMs, fullAtMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = nowMs;
    if (bucket.tokens < cost) return Math.ceil(((cost - bucket.tokens) / perSecond) * 1000);
    bucket.tokens -= cost;
    bucket.fullAtMs = nowMs + ((burst - bucket.tokens) / perSecond) * 1000;
    buckets.set(key, bucket);
    if (buckets.size > sweepAt) {
      sweep(nowMs);
      sweepAt = Math.max(SWEEP_SIZE, buckets.size * 2);
    }
    return 0;
  };
  return {
    take(key, perSecond, burst, cost = 1) {
      const retryDelayMs = draw(key, perSecond, burst, cost);
      if (retryDelayMs > 0) throw new DomainError(ErrorReason.RATE_LIMITED, "too many requests", { retryDelayMs });
    },
    tryTake: (key, perSecond, burst, cost = 1) => draw(key, perSecond, burst, cost) === 0,
  };
}
