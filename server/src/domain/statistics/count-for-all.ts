import type { Times } from "../../limits.js";
import type { Clock, Timer } from "../../ops/clock.js";
import type { Tx } from "../../store/committer.js";
import { readHeads } from "../../store/log.js";
import { dayOf, findCounted, readCounted } from "../../store/statistics.js";
import { countOnlineUsers, listOnlineIds } from "../../store/users.js";
import { nextTurn } from "../next-turn.js";
import { type CountingDeps, countLog, writeTally } from "./count-log.js";
import { markActive, newTally, reachPeak } from "./tally.js";

export interface CountingForAll {
  /** Ends the round under way at its next step, and begins no other. */
  close(): Promise<void>;
}

interface CountingForAllDeps extends CountingDeps {
  clock: Clock;
  times: Pick<Times, "countsPersistMs">;
}

const STEP_USERS = 500;

/** Counts for all nodes that share a store, on one of them at a time: the messages of the logs, and how many users are online. */
export function startCountingForAll(ctx: CountingForAllDeps, onError: (error: unknown) => void): CountingForAll {
  const { read, clock } = ctx;
  const over = new AbortController();
  /** How far each log was looked at: what holds nothing to count is not written. */
  const reached = new Map<string, number>();
  /** The day on which those who are online were marked as active. */
  const days = new Map<string, number>();
  let timer: Timer | undefined;

  const notCounted = async (tx: Tx, atPos: number): Promise<void> => {
    // Two may think for a moment that it is theirs to count.
    if (over.signal.aborted || (await findCounted(tx.db, tx.appId)) > atPos)
      throw new Error("these messages are counted elsewhere");
  };
  const countApp = async (appId: string, head: number, counted: number): Promise<void> => {
    const fromPos = Math.max(counted, reached.get(appId) ?? 0);
    if (fromPos < head) await countLog(ctx, appId, { fromPos, toPos: head }, notCounted);
    reached.set(appId, head);
  };
  const countOnline = async (appId: string): Promise<void> => {
    const nowMs = clock.now();
    const online = await countOnlineUsers(read, appId);
    if (online === 0) return;
    const tally = newTally();
    reachPeak(tally, nowMs, online);
    if (days.get(appId) !== dayOf(nowMs))
      for (let after = "", more = true; more && !over.signal.aborted; await nextTurn()) {
        const users = await listOnlineIds(read, appId, after, STEP_USERS);
        for (const userId of users) markActive(tally, dayOf(nowMs), userId);
        after = users.at(-1) ?? after;
        more = users.length === STEP_USERS;
      }
    await writeTally(ctx, appId, tally);
    days.set(appId, dayOf(nowMs));
  };
  const round = async (): Promise<void> => {
    const counted = await readCounted(read);
    for (const { appId, head } of await readHeads(read)) {
      if (over.signal.aborted) return;
      await countApp(appId, head, counted.get(appId) ?? 0).catch(onError);
      await countOnline(appId).catch(onError);
    }
  };
  const tick = async () => {
    await round().catch((error: unknown) => !over.signal.aborted && onError(error));
    if (!over.signal.aborted) timer = clock.setTimer(begin, ctx.times.countsPersistMs);
  };
  let running: Promise<void> = Promise.resolve();
  const begin = () => {
    running = tick();
  };
  begin();

  return {
    async close() {
      over.abort();
      timer?.cancel();
      await running;
    },
  };
}
