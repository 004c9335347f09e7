import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import type { AppRules } from "../limits.js";
import type { Logger } from "../ops/logger.js";
import { listApps } from "../store/apps.js";
import { listDissolved, wipeSome } from "../store/dissolved.js";
import { readLogState } from "../store/log.js";
import {
  type ConversationAge,
  deleteExpired,
  findFriendPairs,
  hasExpired,
  keepLastRun,
  listConversationAges,
  listEventsBefore,
  listMessagesBefore,
  trimConversation,
  trimLog,
} from "../store/retention.js";
import { listExpiredSessionIds } from "../store/sessions.js";
import { findUserKinds } from "../store/users.js";
import type { AppRecord } from "./apps.js";
import { removeUnused } from "./attachments/remove-unused.js";
import type { Ctx } from "./context.js";
import { directUsers } from "./conversation-id.js";
import { endSession, SessionRevokedReason } from "./end-session.js";
import { eraseDeleted } from "./erase-deleted.js";
import { MESSAGE_KINDS } from "./events.js";
import { nextTurn } from "./next-turn.js";
import { createRetentionGuard } from "./retention-guard.js";
import { trimRecords } from "./trim-records.js";

export interface RetentionOptions {
  intervalMs: number;
  /** Removes whatever the guard says: an operator's answer to a run that was stopped. */
  force: boolean;
  /** Told of each new floor of an app's log, in the tick of its commit. */
  onFloor(appId: string, pos: number): void;
}

/** What a run did. */
interface RetentionReport {
  /** Why it removed nothing at all, or undefined. */
  stopped: string | undefined;
  /** Events removed from the logs. */
  events: number;
  /** Messages that can no longer be listed. */
  hidden: number;
  /** Messages deleted; a hidden one is kept for a while, so that a repeat of its send is known. */
  deleted: number;
  /** Sessions that ended. */
  sessions: number;
  /** Attachments that nothing used, and uploads that were not finished. */
  attachments: number;
}

export interface Retention {
  /** Runs once, after a run that is under way. */
  runNow(): Promise<RetentionReport>;
  /** Ends the run under way at its next step, and starts no other. */
  close(): Promise<void>;
}

type RetentionCtx = Pick<Ctx, "read" | "committer" | "clock" | "apps" | "sessions" | "pushes" | "times" | "blobs">;

const FIRST_RUN_MS = 5_000;
const SAME_STOP_MS = 3_600_000;
/** A run that took long is followed by a pause so many times as long. */
const PAUSE_FACTOR = 20;
const STEP_ITEMS = 1_000;
const WALK_ITEMS = 200;
/** What a run after a long gap may remove of an app's events or messages without being asked about. */
const MUCH = { share: 0.2, items: 1_000 };
/** A full disk must not keep it from running. */
const FREES = { frees: true };
const STAY_KINDS: ReadonlySet<number> = new Set([
  EventKind.GROUP_CHANGED,
  EventKind.GROUP_MEMBER_CHANGED,
  EventKind.ROOM_CHANGED,
  EventKind.ROOM_MEMBER_CHANGED,
]);

/** Removes what is older than the apps keep, by and by, in steps that let everything else run between them. */
export function startRetention(ctx: RetentionCtx, logger: Logger, options: RetentionOptions): Retention {
  const { clock } = ctx;
  const guard = createRetentionGuard(ctx, options.force);
  const over = new AbortController();
  let running: Promise<unknown> = Promise.resolve();
  let lastStop = { reason: "", atMs: 0 };

  const once = async (): Promise<RetentionReport> => {
    const report: RetentionReport = {
      stopped: undefined,
      events: 0,
      hidden: 0,
      deleted: 0,
      sessions: 0,
      attachments: 0,
    };
    const nowMs = clock.now();
    const apps = await allApps(ctx);
    const [any] = apps;
    if (any === undefined || over.signal.aborted) return report;
    await wipeDissolved(ctx, over.signal);
    await eraseDeleted(ctx, over.signal, STEP_ITEMS);
    report.stopped = await guard.refusal(nowMs, () => removesMuch(ctx, apps, nowMs, over.signal));
    if (report.stopped !== undefined) {
      tellStop(report.stopped);
      return report;
    }
    lastStop = { reason: "", atMs: 0 };
    await ctx.committer.run(any.appId, (tx) => keepLastRun(tx, nowMs), FREES);
    guard.accept(nowMs);
    const run: Run = { ctx, nowMs, signal: over.signal, report, onFloor: options.onFloor };
    for (const app of apps) {
      await trimEvents(run, app);
      await trimHistory(run, app);
      await expire(run, app);
      await trimRecords(ctx, app.appId, nowMs, over.signal);
      report.attachments += await removeUnused(ctx, app.appId, nowMs, over.signal);
    }
    return report;
  };

  const tellStop = (reason: string) => {
    const kind = reason.replace(/\d+/, "");
    if (lastStop.reason === kind && clock.mono() - lastStop.atMs < SAME_STOP_MS) return;
    lastStop = { reason: kind, atMs: clock.mono() };
    logger.error({ reason }, "retention is stopped and nothing old is removed");
  };

  const runNow = (): Promise<RetentionReport> => {
    const run = running.then(once);
    running = run.catch(() => undefined);
    return run;
  };
  const tick = async () => {
    const beganMs = clock.mono();
    try {
      const { events, deleted, sessions, attachments } = await runNow();
      if (events + deleted + sessions + attachments > 0)
        logger.debug({ events, deleted, sessions, attachments }, "removed what was old");
    } catch (error) {
      if (!over.signal.aborted) logger.warn({ err: error }, "a run of retention failed; the next one goes on");
    }
    if (over.signal.aborted) return;
    timer = clock.setTimer(tick, Math.max(options.intervalMs, PAUSE_FACTOR * (clock.mono() - beganMs)));
  };
  let timer = clock.setTimer(tick, Math.min(FIRST_RUN_MS, options.intervalMs));
  if (options.force) logger.warn("retention runs without its guard against a wrong clock; take the setting away again");

  return {
    runNow,
    async close() {
      timer.cancel();
      over.abort();
      await running;
    },
  };
}

/** The kinds that hold what was said in a place, and its name and data. */
const PLACE_WORDS = [...MESSAGE_KINDS, EventKind.GROUP_CHANGED, EventKind.ROOM_CHANGED];

/** Removes what was said in places that were deleted: that is no matter of age, so no guard is asked. */
async function wipeDissolved(ctx: RetentionCtx, signal: AbortSignal): Promise<void> {
  for (let [place] = await listDissolved(ctx.read, 1); place !== undefined && !signal.aborted; ) {
    const next = place;
    await ctx.committer.run(next.app_id, (tx) => wipeSome(tx, next, PLACE_WORDS, STEP_ITEMS), FREES);
    await nextTurn();
    [place] = await listDissolved(ctx.read, 1);
  }
}

interface Run {
  ctx: RetentionCtx;
  nowMs: number;
  signal: AbortSignal;
  report: RetentionReport;
  onFloor(appId: string, pos: number): void;
}

async function allApps(ctx: RetentionCtx): Promise<AppRecord[]> {
  const apps: AppRecord[] = [];
  for (let after = ""; ; ) {
    const rows = await listApps(ctx.read, after, WALK_ITEMS);
    for (const row of rows) {
      const app = await ctx.apps.find(row.app_id);
      if (app !== undefined) apps.push(app);
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < WALK_ITEMS) return apps;
    after = last.app_id;
  }
}

async function trimEvents({ ctx, nowMs, signal, report, onFloor }: Run, app: AppRecord): Promise<void> {
  const beforeMs = horizon(nowMs, app.rules.eventRetentionMs);
  const { floor } = await readLogState(ctx.read, app.appId);
  if ((await listEventsBefore(ctx.read, app.appId, floor, beforeMs, 1)).length === 0) return;
  for (let removed = STEP_ITEMS; removed === STEP_ITEMS && !signal.aborted; report.events += removed) {
    removed = await ctx.committer.run(
      app.appId,
      async (tx) => {
        const trimmed = await trimLog(tx, beforeMs, STEP_ITEMS, STAY_KINDS);
        if (trimmed.removed > 0) tx.afterCommit(() => onFloor(app.appId, trimmed.floor));
        return trimmed.removed;
      },
      FREES,
    );
    await nextTurn();
  }
}

async function trimHistory({ ctx, nowMs, signal, report }: Run, app: AppRecord): Promise<void> {
  const forgetBeforeMs = nowMs - ctx.times.dedupMs;
  for await (const walked of conversations(ctx, app, nowMs, signal)) {
    const due = walked.filter(
      ({ shownMs, hiddenMs, hideBeforeMs }) => isOlder(shownMs, hideBeforeMs) || isOlder(hiddenMs, forgetBeforeMs),
    );
    while (due.length > 0 && !signal.aborted) {
      const done = await ctx.committer.run(
        app.appId,
        async (tx) => {
          const done = { hidden: 0, deleted: 0, whole: 0 };
          for (const { conversationId, hideBeforeMs } of due) {
            const most = STEP_ITEMS - Math.max(done.hidden, done.deleted);
            if (most === 0 || done.whole === WALK_ITEMS / 4) break;
            const trimmed = await trimConversation(tx, conversationId, { hideBeforeMs, forgetBeforeMs }, most);
            done.hidden += trimmed.hidden;
            done.deleted += trimmed.deleted;
            if (trimmed.hidden === most || trimmed.deleted === most) break;
            done.whole += 1;
          }
          return done;
        },
        FREES,
      );
      due.splice(0, done.whole);
      report.hidden += done.hidden;
      report.deleted += done.deleted;
      await nextTurn();
    }
  }
}

async function expire({ ctx, nowMs, signal, report }: Run, app: AppRecord): Promise<void> {
  if (signal.aborted || !(await hasExpired(ctx.read, app.appId, nowMs))) return;
  for (let removed = 1; removed > 0 && !signal.aborted; ) {
    const ended = await ctx.committer.run(
      app.appId,
      async (tx) => {
        const sessions = await listExpiredSessionIds(tx, WALK_ITEMS);
        for (const sessionId of sessions) await endSession(ctx, tx, sessionId, SessionRevokedReason.EXPIRED);
        return { sessions: sessions.length, others: await deleteExpired(tx, STEP_ITEMS) };
      },
      FREES,
    );
    removed = ended.sessions + ended.others;
    report.sessions += ended.sessions;
    await nextTurn();
  }
}

/** Whether a run would take more than a fifth of the events or the messages of an app that has many. */
async function removesMuch(
  ctx: RetentionCtx,
  apps: readonly AppRecord[],
  nowMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const isMuch = (old: number, all: number) => all >= MUCH.items && old > MUCH.share * all;
  for (const { appId, rules, ...app } of apps) {
    const log = await readLogState(ctx.read, appId);
    const beforeMs = horizon(nowMs, rules.eventRetentionMs);
    const list = (pos: number) => listEventsBefore(ctx.read, appId, pos, beforeMs, STEP_ITEMS);
    if (isMuch(await count(log.floor, list, (event) => event.pos), log.head - log.floor)) return true;
    let [old, all] = [0, 0];
    for await (const walked of conversations(ctx, { ...app, appId, rules }, nowMs, signal))
      for (const { conversationId, floorSeq, headSeq, hideBeforeMs } of walked) {
        const list = (seq: number) =>
          listMessagesBefore(ctx.read, appId, conversationId, seq, hideBeforeMs, STEP_ITEMS);
        old += await count(floorSeq, list, (message) => message.seq);
        all += headSeq - floorSeq;
      }
    if (isMuch(old, all)) return true;
  }
  return false;
}

async function count<T>(from: number, list: (after: number) => Promise<T[]>, placeOf: (item: T) => number) {
  for (let [after, counted] = [from, 0]; ; await nextTurn()) {
    const items = await list(after);
    counted += items.length;
    const last = items.at(-1);
    if (last === undefined || items.length < STEP_ITEMS) return counted;
    after = placeOf(last);
  }
}

/** Walks the conversations of an app with the time before which each shows nothing. */
async function* conversations(ctx: RetentionCtx, app: AppRecord, nowMs: number, signal: AbortSignal) {
  for (let after = ""; !signal.aborted; await nextTurn()) {
    const walked = await listConversationAges(ctx.read, app.appId, after, WALK_ITEMS);
    yield await withHorizons(ctx, app, walked, nowMs);
    const last = walked.at(-1);
    if (last === undefined || walked.length < WALK_ITEMS) return;
    after = last.conversationId;
  }
}

async function withHorizons(ctx: RetentionCtx, app: AppRecord, walked: readonly ConversationAge[], nowMs: number) {
  const own = horizon(nowMs, app.rules.historyRetentionMs);
  const stranger = horizon(nowMs, app.rules.strangerHistoryRetentionMs);
  // Who is a friend matters only where one of the two times would hide something.
  const asked = walked.filter(({ shownMs }) => isOlder(shownMs, Math.max(own, stranger)));
  const strangers = own === stranger ? new Set() : await betweenStrangers(ctx, app.appId, asked);
  return walked.map((age) => ({ ...age, hideBeforeMs: strangers.has(age.conversationId) ? stranger : own }));
}

/** Those of these conversations that are between two users who are no friends, or with a guest. One's own is neither. */
async function betweenStrangers(ctx: RetentionCtx, appId: string, asked: readonly ConversationAge[]) {
  const pairs = new Map<string, [string, string]>();
  for (const { conversationId } of asked) {
    const users = directUsers(conversationId);
    if (users !== undefined && users[0] !== users[1]) pairs.set(conversationId, users);
  }
  const friends = await findFriendPairs(ctx.read, appId, [...pairs.values()]);
  const kinds = await findUserKinds(ctx.read, appId, [...new Set([...pairs.values()].flat())]);
  const strangers = new Set<string>();
  for (const [conversationId, users] of pairs)
    if (!friends.has(users.join(":")) || users.some((userId) => kinds.get(userId) === UserKind.GUEST))
      strangers.add(conversationId);
  return strangers;
}

/** The time before which something is too old; nothing is when it is kept for ever. */
function horizon(nowMs: number, keepMs: AppRules["eventRetentionMs"]): number {
  return keepMs === 0 ? Number.NEGATIVE_INFINITY : nowMs - keepMs;
}

function isOlder(ms: number | null, beforeMs: number): boolean {
  return ms !== null && ms < beforeMs;
}
