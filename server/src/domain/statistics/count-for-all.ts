import type { Times } from "../../limits.js";
import type { Clock } from "../../ops/clock.js";
import { type Rounds, startRounds } from "../../ops/rounds.js";
import type { Tx } from "../../store/committer.js";
import { readHeads } from "../../store/log.js";
import { dayOf, findCounted, readCounted } from "../../store/statistics.js";
import { countOnlineUsers, listOnlineIds } from "../../store/users.js";
import { nextTurn } from "../next-turn.js";
import { type CountingDeps, countLog, writeTally } from "./count-log.js";
import { markActive, newTally, reachPeak } from "./tally.js";

interface CountingForAllDeps extends CountingDeps {
  clock: Clock;
  times: Pick<Times, "countsPersistMs">;
}

const STEP_USERS = 500;

/** Counts for all nodes that share a store, on one of them at a time: the messages of the logs, and how many users are online. */
export function startCountingForAll(ctx: CountingForAllDeps, onError: (error: unknown) => void): Rounds {
  const { read, clock } = ctx;
  /** How far each log was looked at: what holds nothing to count is not written. */
  const reached = new Map<string, number>();
  /** The day on which those who are online were marked as active. */
  const days = new Map<string, number>();

  const unlessCounted = (signal: AbortSignal) => async (tx: Tx, atPos: number) => {
    // Two may think for a moment that it is theirs to count.
    if (signal.aborted || (await findCounted(tx.db, tx.appId)) > atPos)
      throw new Error("these messages are counted elsewhere");
  };
  const countApp = async (appId: string, head: number, counted: number, signal: AbortSignal): Promise<void> => {
    const fromPos = Math.max(counted, reached.get(appId) ?? 0);
    if (fromPos < head) await countLog(ctx, appId, { fromPos, toPos: head }, unlessCounted(signal));
    reached.set(appId, head);
  };
  const countOnline = async (appId: string, signal: AbortSignal): Promise<void> => {
    const nowMs = clock.now();
    const online = await countOnlineUsers(read, appId);
    if (online === 0) return;
    const tally = newTally();
    reachPeak(tally, nowMs, online);
    if (days.get(appId) !== dayOf(nowMs))
      for (let after = "", more = true; more && !signal.aborted; await nextTurn()) {
        const users = await listOnlineIds(read, appId, after, STEP_USERS);
        for (const userId of users) markActive(tally, dayOf(nowMs), userId);
        after = users.at(-1) ?? after;
        more = users.length === STEP_USERS;
      }
    await writeTally(ctx, appId, tally);
    days.set(appId, dayOf(nowMs));
  };
  const round = async (signal: AbortSignal): Promise<void> => {
    const counted = await readCounted(read);
    for (const { appId, head } of await readHeads(read)) {
      if (signal.aborted) return;
      await countApp(appId, head, counted.get(appId) ?? 0, signal).catch(onError);
      await countOnline(appId, signal).catch(onError);
    }
  };
  return startRounds({ clock, everyMs: ctx.times.countsPersistMs, round, onError });
}
