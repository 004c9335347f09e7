import { readLastRun } from "../store/retention.js";
import type { Ctx } from "./context.js";

/** Keeps a wrong clock from erasing what is not old. */
export interface RetentionGuard {
  /** Why nothing may be removed at this time, or undefined. `removesMuch` says whether a run would take much of an app away. */
  refusal(nowMs: number, removesMuch: () => Promise<boolean>): Promise<string | undefined>;
  /** Takes a time as right: the next is compared with it. */
  accept(nowMs: number): void;
}

const HOUR_MS = 3_600_000;
const LONG_GAP_MS = 8 * 24 * HOUR_MS;
const REMEDY = "correct the clock of this machine or, if it is right,";
const OVERRIDE = "start the server once with PARLEY_RETENTION_FORCE";

/**
 * Within a process the wall clock is held against the monotonic one, over a restart against the time of the last run:
 * a short stop or a quiet week passes, a leap of a year does not.
 */
export function createRetentionGuard(ctx: Pick<Ctx, "read" | "clock">, force: boolean): RetentionGuard {
  const { clock } = ctx;
  let known = { wallMs: clock.now(), monoMs: clock.mono() };
  let first = true;
  let tripped = false;
  return {
    async refusal(nowMs, removesMuch) {
      if (force) return undefined;
      const leapMs = nowMs - known.wallMs - (clock.mono() - known.monoMs);
      if (leapMs > HOUR_MS) return `the wall clock leapt ahead by ${hours(leapMs)}: ${REMEDY} restart the server`;
      const lastMs = (await readLastRun(ctx.read)) ?? nowMs;
      const behindMs = Math.max(lastMs - nowMs, -leapMs);
      if (behindMs > HOUR_MS) return `the wall clock is ${hours(behindMs)} behind the last run: ${REMEDY} ${OVERRIDE}`;
      if (!first || nowMs - lastMs <= LONG_GAP_MS) return undefined;
      // What is written from now on must not dilute the share until it passes.
      tripped ||= await removesMuch();
      const gap = hours(nowMs - lastMs);
      return tripped ? `the last run is ${gap} ago and much would be removed: ${REMEDY} ${OVERRIDE}` : undefined;
    },
    accept(nowMs) {
      known = { wallMs: nowMs, monoMs: clock.mono() };
      first = false;
    },
  };
}

function hours(ms: number): string {
  return `${Math.round(ms / HOUR_MS)} h`;
}
