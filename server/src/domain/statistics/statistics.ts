import type { Times } from "../../limits.js";
import type { Clock, Timer } from "../../ops/clock.js";
import type { Bus, LogRange, TransientEvent } from "../../ports.js";
import { readHeads } from "../../store/log.js";
import { dayOf, hourOf, readCounted } from "../../store/statistics.js";
import { countOnlineUsers } from "../../store/users.js";
import { type CountingDeps, countLog, writeTally } from "./count-log.js";
import { countMessage, isEmpty, markActive, merge, newTally, reachPeak, type Tally } from "./tally.js";

/** The counts of how each app is used, in memory as they come and in the store a little later. */
export interface Statistics {
  /**
   * Tells of the users who were here when the last server stopped, and counts what it could not write any more. Where several nodes share a store
   * there is nothing to tell: the keeper counts the log, and how many are online; see count-for-all.ts.
   */
  start(online?: readonly { app_id: string; user_id: string }[]): Promise<void>;
  /** Takes a change of who is here. */
  presence(change: { appId: string; userId: string; online: boolean; atMs: number }): void;
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
  /** Whether the number of users online on all nodes is being asked for, and is to be asked for again. */
  looking: "no" | "once" | "again";
}

/** After a look that took long the next one waits so many times as long. */
const LOOK_PAUSE_FACTOR = 20;
const isWantedAgain = ({ looking }: AppCounts): boolean => looking === "again";

interface StatisticsDeps extends CountingDeps {
  /** Whether other nodes work on the same store. */
  shared: boolean;
  clock: Clock;
  bus: Bus;
  times: Pick<Times, "countsPersistMs">;
}

export function createStatistics(ctx: StatisticsDeps, onError: (error: unknown) => void): Statistics {
  const { clock, bus, shared } = ctx;
  const apps = new Map<string, AppCounts>();
  let flushing: Promise<void> = Promise.resolve();
  let timer: Timer | undefined;

  const countsOf = (appId: string): AppCounts => {
    let counts = apps.get(appId);
    if (counts === undefined) {
      const seen = { dayMs: 0, users: new Set<string>() };
      const peak = { hourMs: 0, users: 0 };
      const tally = newTally(shared ? undefined : 0);
      counts = { online: new Set(), tally, writing: undefined, mark: 0, behind: undefined, peak, seen, looking: "no" };
      apps.set(appId, counts);
    }
    return counts;
  };

  // Where several nodes commit, their positions lie between each other's, so that no node can say how far it has counted: the keeper does.
  const range = ({ appId, events }: LogRange, own: boolean) => {
    if (!own || shared) return;
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

  /** Looks at who is here on all nodes, after whoever came last, and no more often than it costs little. */
  const lookAtAll = async (appId: string, counts: AppCounts): Promise<void> => {
    if (counts.looking !== "no") {
      counts.looking = "again";
      return;
    }
    try {
      do {
        counts.looking = "once";
        const beganMs = clock.mono();
        reachPeak(counts.tally, clock.now(), await countOnlineUsers(ctx.read, appId));
        const pauseMs = LOOK_PAUSE_FACTOR * (clock.mono() - beganMs);
        if (pauseMs >= 1) await new Promise<void>((resolve) => clock.setTimer(resolve, pauseMs));
      } while (isWantedAgain(counts));
    } catch (error) {
      onError(error);
    }
    counts.looking = "no";
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
      await writeTally(ctx, appId, tally, {
        done() {
          counts.writing = undefined;
          counts.mark += 1;
        },
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
    async start(online = []) {
      timer = clock.setTimer(tick, ctx.times.countsPersistMs);
      if (shared) return;
      const counted = await readCounted(ctx.read);
      for (const { appId, head } of await readHeads(ctx.read)) {
        const counts = countsOf(appId);
        counts.tally.pos = head;
        const fromPos = counted.get(appId) ?? 0;
        if (fromPos !== head) counts.behind = { fromPos, toPos: head };
      }
      for (const { app_id, user_id } of online) countsOf(app_id).online.add(user_id);
      if ([...apps.values()].some(({ behind }) => behind !== undefined)) void flush();
    },
    presence({ appId, userId, online, atMs }) {
      const counts = countsOf(appId);
      if (shared) {
        if (online) void lookAtAll(appId, counts);
      } else {
        if (online) counts.online.add(userId);
        else counts.online.delete(userId);
        look(counts, atMs);
      }
      if (online) here(counts, dayOf(atMs), userId);
    },
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
