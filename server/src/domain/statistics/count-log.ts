import { fromBinary } from "@bufbuild/protobuf";
import { StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { Committer, Tx } from "../../store/committer.js";
import { readLogState } from "../../store/log.js";
import type { Db } from "../../store/schema.js";
import {
  addToStatistics,
  findCounted,
  keepCounted,
  listEventsOf,
  markActive as storeActive,
} from "../../store/statistics.js";
import { factsOf, NEW_MESSAGE_KINDS } from "../events.js";
import { nextTurn } from "../next-turn.js";
import { additionsOf, countMessage, isEmpty, newTally, type Tally } from "./tally.js";

export interface CountingDeps {
  read: Db;
  committer: Committer;
}

/** Positions that are counted by one transaction. */
const STEP_POSITIONS = 1000;
/** So much of the log may be looked at again by the next start, when there was nothing to count in it. */
const IDLE_POSITIONS = 5000;

/** Counts the messages of a stretch of an app's log, whose counts a crash took from memory, or no memory holds. Each step is written with how far it came, so that nothing is counted twice. */
export async function countLog(
  ctx: CountingDeps,
  appId: string,
  { fromPos, toPos }: { fromPos: number; toPos: number },
  check?: (tx: Tx, atPos: number) => Promise<void>,
): Promise<void> {
  const { floor } = await readLogState(ctx.read, appId);
  // A position beyond the head is of a log whose end was lost.
  let kept = fromPos;
  for (let at = fromPos > toPos ? toPos : Math.max(fromPos, floor); ; ) {
    const [beforePos, upTo] = [at, Math.min(toPos, at + STEP_POSITIONS)];
    const tally = newTally(upTo);
    await countStep(ctx.read, appId, at, tally);
    at = upTo;
    if (!isEmpty(tally) || at < kept || at - kept > IDLE_POSITIONS) {
      await writeTally(ctx, appId, tally, { check: check && ((tx) => check(tx, beforePos)) });
      kept = at;
    }
    if (at >= toPos) return;
    await nextTurn();
  }
}

/** What the log holds beyond what is in the store's counts, with how far those go. */
export async function tallyUncounted(db: Db, appId: string): Promise<{ tally: Tally; countedPos: number }> {
  const countedPos = await findCounted(db, appId);
  const { floor, head } = await readLogState(db, appId);
  const tally = newTally();
  for (let at = Math.max(countedPos, floor); at < head; await nextTurn()) {
    tally.pos = Math.min(head, at + STEP_POSITIONS);
    await countStep(db, appId, at, tally);
    at = tally.pos;
  }
  return { tally, countedPos };
}

/** Counts the messages after a position and up to that of the tally. */
async function countStep(db: Db, appId: string, afterPos: number, tally: Tally): Promise<void> {
  for (const event of await listEventsOf(db, appId, NEW_MESSAGE_KINDS, afterPos, tally.pos ?? afterPos))
    countStored(tally, event);
}

function countStored(tally: Tally, event: { create_ms: number; audiences: string; payload: Uint8Array }): void {
  // What was in a place that is deleted by now is no more to be known.
  if (event.payload.length === 0) return;
  const { event: told } = fromBinary(StreamEventSchema, event.payload);
  if (told.case !== "messageCreated" && told.case !== "systemMessage") return;
  const { message } = told.value;
  const sender = message?.sender?.sender;
  const facts = factsOf(event.create_ms, sender?.case === "userId" ? sender.value : "", message?.content);
  countMessage(tally, facts, event.audiences.split("\n"), true);
}

/** Adds a tally to what is stored, with the position that it counts up to. What `check` throws undoes it. */
export async function writeTally(
  ctx: CountingDeps,
  appId: string,
  tally: Tally,
  { done, check }: { done?: () => void; check?: ((tx: Tx) => Promise<void>) | undefined } = {},
): Promise<void> {
  const additions = await additionsOf(ctx.read, appId, tally);
  await ctx.committer.run(appId, async (tx) => {
    await check?.(tx);
    await addToStatistics(tx, additions);
    for (const [dayMs, users] of tally.active) {
      const value = await storeActive(tx, dayMs, [...users]);
      if (value > 0) await addToStatistics(tx, [{ span: "d", startMs: dayMs, name: "active_users", value, as: "sum" }]);
    }
    if (tally.pos !== undefined) await keepCounted(tx, tally.pos);
    if (done !== undefined) tx.afterCommit(done);
  });
}
