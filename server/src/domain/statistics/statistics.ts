import type { Times } from "../../limits.js";
import type { Clock, Timer } from "../../ops/clock.js";
import type { Bus, LogRange, TransientEvent } from "../../ports.js";
import { readHeads } from "../../store/log.js";
import { dayOf, hourOf, readCounted } from "../../store/statistics.js";
import { type CountingDeps, countLog, writeTally } from "./count-log.js";
import { countMessage, isEmpty, markActive, merge, newTally, reachPeak, type Tally } from "./tally.js";

/** The counts of how each app is used, in memory as they come and in the store a little later. */
export interface Statistics {
  /** Tells of the users who were here when the last server stopped, and counts what it could not write any more. */
  start(online: readonly { app_id: string; user_id: string }[]): Promise<void>;
  /** Takes a change of who is here. */
  presence(change: { appId: string; userId: string; online: boolean; atMs: number }): void;
  /** The number of users of an app who are online. */
  online(appId: string): number;
  /** What is not in the store yet. The mark changes when some of it is written. */
  waiting(appId: string): { tallies: readonly Tally[]; mark: number };
  /** Writes what waits. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

interface AppCounts {
  online: Set<string>;
  tally: Tally;
  /** What is being written. */
  writing: Tally | undefined;
  mark: number;
  /** The messages that a server before did not get to write. */
  behind: { fromPos: number; toPos: number } | undefined;
  /** The largest number of users online in the newest hour. */
  peak: { hourMs: number; users: number };
  /** Those who are marked as active on the newest day. */
  seen: { dayMs: number; users: Set<string> };
}

interface StatisticsDeps extends CountingDeps {
  clock: Clock;
  bus: Bus;
  times: Pick<Times, "countsPersistMs">;
}

export function createStatistics(ctx: StatisticsDeps, onError: (error: unknown) => void): Statistics {
  const { clock, bus } = ctx;
  const apps = new Map<string, AppCounts>();
  let flushing: Promise<void> = Promise.resolve();
  let timer: Timer | undefined;

  const countsOf = (appId: string): AppCounts => {
    let counts = apps.get(appId);
    if (counts === undefined) {
      const seen = { dayMs: 0, users: new Set<string>() };
      const peak = { hourMs: 0, users: 0 };
      counts = { online: new Set(), tally: newTally(0), writing: undefined, mark: 0, behind: undefined, peak, seen };
      apps.set(appId, counts);
    }
    return counts;
  };

  // Each node counts what it has committed or sent itself.
  const range = ({ appId, events }: LogRange, own: boolean) => {
    if (!own) return;
    const counts = countsOf(appId);
    for (const { facts, audiences, pos } of events) {
      counts.tally.pos = pos;
      if (facts !== undefined) countMessage(counts.tally, facts, audiences, true);
    }
  };
  const transient = ({ appId, facts, audiences }: TransientEvent, own: boolean) => {
    if (own && facts !== undefined) countMessage(countsOf(appId).tally, facts, audiences, false);
  };
  bus.subscribe({ range, transient });

  /** Looks at who is here now: for the peak of the hour, and for who is active on the day. */
  const look = (counts: AppCounts, atMs: number) => {
    const [hourMs, users] = [hourOf(atMs), counts.online.size];
    if (hourMs !== counts.peak.hourMs || users > counts.peak.users) {
      counts.peak = { hourMs, users };
      reachPeak(counts.tally, atMs, users);
    }
    const dayMs = dayOf(atMs);
    if (counts.seen.dayMs === dayMs) return;
    counts.seen = { dayMs, users: new Set() };
    for (const userId of counts.online) here(counts, dayMs, userId);
  };
  const here = ({ seen, tally }: AppCounts, dayMs: number, userId: string) => {
    if (seen.users.has(userId)) return;
    seen.users.add(userId);
    markActive(tally, dayMs, userId);
  };

  const write = async (appId: string, counts: AppCounts): Promise<void> => {
    if (counts.behind !== undefined) {
      await countLog(ctx, appId, counts.behind);
      counts.behind = undefined;
    }
    const tally = counts.tally;
    if (isEmpty(tally)) return;
    counts.writing = tally;
    counts.tally = newTally(tally.pos);
    try {
      await writeTally(ctx, appId, tally, () => {
        counts.writing = undefined;
        counts.mark += 1;
      });
    } catch (error) {
      merge(counts.tally, tally);
      counts.writing = undefined;
      throw error;
    }
  };

  const flush = (): Promise<void> => {
    flushing = flushing.then(async () => {
      for (const [appId, counts] of apps) {
        if (counts.online.size > 0) look(counts, clock.now());
        await write(appId, counts).catch(onError);
      }
    });
    return flushing;
  };
  const tick = () => {
    timer = clock.setTimer(tick, ctx.times.countsPersistMs);
    void flush();
  };

  return {
    async start(online) {
      const counted = await readCounted(ctx.read);
      for (const { appId, head } of await readHeads(ctx.read)) {
        const counts = countsOf(appId);
        counts.tally.pos = head;
        const fromPos = counted.get(appId) ?? 0;
        if (fromPos !== head) counts.behind = { fromPos, toPos: head };
      }
      for (const { app_id, user_id } of online) countsOf(app_id).online.add(user_id);
      timer = clock.setTimer(tick, ctx.times.countsPersistMs);
      if ([...apps.values()].some(({ behind }) => behind !== undefined)) void flush();
    },
    presence({ appId, userId, online, atMs }) {
      const counts = countsOf(appId);
      if (online) counts.online.add(userId);
      else counts.online.delete(userId);
      look(counts, atMs);
      if (online) here(counts, dayOf(atMs), userId);
    },
    online: (appId) => apps.get(appId)?.online.size ?? 0,
    waiting(appId) {
      const { tally, writing, mark } = countsOf(appId);
      return { tallies: writing === undefined ? [tally] : [tally, writing], mark };
    },
    flush,
    async close() {
      timer?.cancel();
      await flush();
    },
  };
}
