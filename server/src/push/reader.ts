import { setImmediate as nextTurn } from "node:timers/promises";
import type { Limits, Times } from "../limits.js";
import type { Clock, Timer } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";
import type { Presence, PushSender } from "../ports.js";
import type { Committer } from "../store/committer.js";
import { readLogState } from "../store/log.js";
import { insertPushJobs, type PushJob } from "../store/push-jobs.js";
import {
  deletePushCursor,
  findPushCursor,
  listPushCursors,
  listPushEvents,
  listSessionsOf,
  putPushCursor,
} from "../store/push-log.js";
import type { Db } from "../store/schema.js";
import { type AwaitedList, createAwaitedList } from "./awaited.js";
import { attendanceOf, decide } from "./decide.js";
import { PUSHED_KINDS } from "./message.js";
import { type Addressed, addressed } from "./recipients.js";

/** Reads every app's log behind a durable cursor and decides once for each message and receiver whether it is to be pushed. */
export interface PushReader {
  /** An app's log has grown by the positions from one to another. */
  grown(appId: string, firstPos: number, lastPos: number): void;
  /** Stops reading and keeps how far it has come. */
  close(): Promise<void>;
}

export interface PushReaderOptions {
  read: Db;
  committer: Committer;
  clock: Clock;
  limits: Limits;
  times: Times;
  logger: Logger;
  sender: Pick<PushSender, "canPush">;
  presence: Pick<Presence, "standings">;
  /** Whether this process may decide; asked in the transaction that stores what was decided. */
  mayPush(): boolean;
  /** Told that an app has pushes to be handed over. */
  onJobs(appId: string): void;
}

/** One app's reading. */
interface Reading {
  readonly appId: string;
  head: number;
  /** Everything up to here was decided, or waits in `awaited`. */
  pos: number;
  /** What a new start goes on from; undefined until it was looked up. */
  storedPos: number | undefined;
  /** When more was done than is stored. */
  unstoredMs: number | undefined;
  readonly awaited: AwaitedList;
  /** It begins where it was opened, whatever is stored: the app could not push before. */
  readonly fresh: boolean;
  /** The app can push no more. */
  ended: boolean;
  running: Promise<void> | undefined;
  again: boolean;
  timer: Timer | undefined;
}

/** How many positions, and how many messages of them, are looked at in one go. */
const WINDOW = 5_000;
const CHUNK = 200;
const RETRY_MS = 1_000;

/** Starts reading where each app's cursor stands. */
export async function startPushReader(options: PushReaderOptions): Promise<PushReader> {
  const { read, committer, clock, limits, times, logger, sender } = options;
  const readings = new Map<string, Reading>();
  /** The apps that could push earlier in this process and then could not. */
  const gaveUp = new Set<string>();
  const startMs = clock.now();
  const bootEndMs = clock.mono() + times.presenceBootGraceMs;
  let closed = false;

  const open = (appId: string, pos: number, head: number): Reading => {
    const reading: Reading = {
      appId,
      head,
      pos,
      storedPos: undefined,
      unstoredMs: undefined,
      awaited: createAwaitedList(),
      fresh: gaveUp.delete(appId),
      ended: false,
      running: undefined,
      again: false,
      timer: undefined,
    };
    readings.set(appId, reading);
    return reading;
  };

  const wake = (reading: Reading): void => {
    reading.again = true;
    if (reading.running !== undefined || reading.ended || closed) return;
    reading.timer?.cancel();
    reading.running = run(reading).then((waitMs) => {
      reading.running = undefined;
      if (closed || reading.ended) return;
      if (waitMs === 0) wake(reading);
      else if (waitMs !== undefined) reading.timer = clock.setTimer(() => wake(reading), waitMs);
    });
  };

  /** Reads what there is to read, and gives the time after which to look again, if there is one. */
  const run = async (reading: Reading): Promise<number | undefined> => {
    reading.again = false;
    try {
      if (!sender.canPush(reading.appId)) return await giveUp(reading);
      if (reading.storedPos === undefined) await load(reading);
      // Whose moment is over comes first, however much there is to read.
      for (await decideDue(reading); hasMore(reading) && !isOver(reading); await decideDue(reading)) {
        await step(reading);
        await keepInTime(reading);
      }
      await keepInTime(reading);
    } catch (error) {
      // The store is busy or full, or something is wrong with it: what was not decided is read again.
      if (!closed) logger.warn({ err: error, appId: reading.appId }, "pushes could not be decided yet");
      return RETRY_MS;
    }
    if (reading.again) return 0;
    const dueMs = [
      reading.awaited.nextMs(),
      reading.unstoredMs === undefined ? undefined : reading.unstoredMs + times.pushCursorMs,
    ].filter((ms) => ms !== undefined);
    return dueMs.length === 0 ? undefined : Math.max(0, Math.min(...dueMs) - clock.mono());
  };

  const hasMore = ({ pos, head, awaited }: Reading): boolean => pos < head && awaited.size < limits.pushesAwaited;
  const isOver = (reading: Reading): boolean => closed || reading.ended;

  /** What is said in an app that cannot push is never pushed. */
  const giveUp = async (reading: Reading): Promise<undefined> => {
    reading.ended = true;
    reading.timer?.cancel();
    readings.delete(reading.appId);
    gaveUp.add(reading.appId);
    await committer.run(reading.appId, deletePushCursor).catch((error: unknown) => {
      logger.warn({ err: error, appId: reading.appId }, "the end of an app's pushes could not be stored");
    });
  };

  /** Finds where to go on, or begins with what has just been said. The cursor may stand where retention has passed. */
  const load = async (reading: Reading): Promise<void> => {
    const { head, floor } = await readLogState(read, reading.appId);
    const stored = reading.fresh ? undefined : await findPushCursor(read, reading.appId);
    reading.head = Math.max(reading.head, head);
    reading.pos = Math.max(floor, Math.min(reading.pos, head, stored ?? reading.pos));
    if (stored !== reading.pos)
      await committer.run(reading.appId, async (tx) => {
        stillMay();
        await putPushCursor(tx, reading.pos);
      });
    reading.storedPos = reading.pos;
  };

  const step = async (reading: Reading): Promise<void> => {
    const { appId, pos } = reading;
    const toPos = Math.min(reading.head, pos + WINDOW);
    const events = await listPushEvents(read, appId, PUSHED_KINDS, pos, toPos, CHUNK);
    for await (const some of addressed(read, appId, events)) await settle(reading, some);
    reading.pos = events.length < CHUNK ? toPos : (events.at(-1)?.pos ?? toPos);
    await nextTurn();
  };

  /** Decides again for those who had a moment to acknowledge. */
  const decideDue = async (reading: Reading): Promise<void> => {
    const due = reading.awaited.takeDue(clock.mono());
    while (due.length > 0) {
      const some = due.slice(0, CHUNK);
      try {
        const events = some.map(({ pos, userIds }) => ({ pos, audiences: [], only: userIds }));
        for await (const part of addressed(read, reading.appId, events)) await settle(reading, part);
      } catch (error) {
        for (const one of due) reading.awaited.add(one);
        throw error;
      }
      due.splice(0, CHUNK);
      await nextTurn();
    }
  };

  /** Decides for messages and their receivers: queues what is to go now, and keeps in mind who is waited for. */
  const settle = async (reading: Reading, some: readonly Addressed[]): Promise<void> => {
    const { appId } = reading;
    const userIds = new Set(some.flatMap(({ recipients }) => recipients.map(({ userId }) => userId)));
    if (userIds.size === 0) return;
    const sessions = await listSessionsOf(read, appId, [...userIds]);
    const standing = await options.presence.standings(appId, [...userIds]);
    const [nowMs, monoMs] = [clock.now(), clock.mono()];
    const jobs: PushJob[] = [];
    for (const { pos, said, recipients } of some) {
      const moment = {
        saidMs: said.saidMs,
        nowMs,
        bootLeftMs: bootEndMs - monoMs,
        awaitMs: times.pushAwaitMs,
      };
      const waiting = new Map<number, Set<string>>();
      for (const { userId, installationId } of recipients) {
        const decision = decide(attendanceOf(sessions.get(userId) ?? [], standing, pos, startMs), moment);
        if (decision === "push") jobs.push(jobOf(pos, said.saidMs, userId, installationId));
        else if (decision !== "none")
          waiting.set(decision.waitMs, (waiting.get(decision.waitMs) ?? new Set()).add(userId));
      }
      for (const [waitMs, awaited] of waiting)
        reading.awaited.add({ pos, userIds: [...awaited], dueMs: monoMs + waitMs });
    }
    if (jobs.length === 0 || reading.ended) return;
    // Not beyond the messages that are being decided: should it fail further on, they are decided again.
    const pos = Math.min(donePos(reading), (some[0]?.pos ?? 1) - 1);
    await committer.run(appId, async (tx) => {
      stillMay();
      await insertPushJobs(tx, jobs);
      await putPushCursor(tx, pos);
    });
    reading.storedPos = pos;
    options.onJobs(appId);
  };

  const jobOf = (pos: number, saidMs: number, userId: string, installationId: string): PushJob => ({
    pos,
    installation_id: installationId,
    user_id: userId,
    run_ms: saidMs,
    tries: 0,
    expire_ms: saidMs + times.pushLifeMs,
  });

  /** Stores how far it has come, once in a while: what pushes nothing costs no write. */
  const keepInTime = async (reading: Reading): Promise<void> => {
    if (reading.ended) return;
    if (donePos(reading) <= (reading.storedPos ?? 0)) reading.unstoredMs = undefined;
    else if (reading.unstoredMs === undefined) reading.unstoredMs = clock.mono();
    else if (clock.mono() - reading.unstoredMs >= times.pushCursorMs) await keepCursor(reading);
  };

  const keepCursor = async (reading: Reading): Promise<void> => {
    const pos = donePos(reading);
    reading.unstoredMs = undefined;
    if (reading.storedPos === undefined || pos <= reading.storedPos) return;
    await committer.run(reading.appId, async (tx) => {
      stillMay();
      await putPushCursor(tx, pos);
    });
    reading.storedPos = pos;
  };

  /** Another may be reading by now, and must not be set back. */
  const stillMay = () => {
    if (!options.mayPush()) throw new Error("another process decides by now");
  };

  for (const { appId, pos } of await listPushCursors(read)) wake(open(appId, pos, pos));

  return {
    grown(appId, firstPos, lastPos) {
      if (closed) return;
      let reading = readings.get(appId);
      if (!sender.canPush(appId)) {
        if (reading !== undefined) void giveUp(reading);
        return;
      }
      reading ??= open(appId, firstPos - 1, lastPos);
      reading.head = Math.max(reading.head, lastPos);
      wake(reading);
    },
    async close() {
      closed = true;
      for (const reading of readings.values()) {
        reading.timer?.cancel();
        await reading.running;
        // What is lost here is read again at the next start.
        await keepCursor(reading).catch(() => undefined);
      }
    },
  };
}

/** Everything up to here is done for good: a new start goes on after it. */
function donePos({ pos, awaited }: Reading): number {
  return Math.min(pos, (awaited.firstPos() ?? Number.POSITIVE_INFINITY) - 1);
}
