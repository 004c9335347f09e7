import { setImmediate as nextTurn } from "node:timers/promises";
import type { Limits, Times } from "../limits.js";
import type { Clock, Timer } from "../ops/clock.js";
import type { Doorbell, LogRange, LogState } from "../ports.js";
import { generationAt, type LogEnd } from "../store/log.js";
import type { AppTail } from "./app-tail.js";
import { createHold } from "./hold.js";
import type { LogReads } from "./log-reads.js";

/**
 * Brings what is heard of one app's log into order. Positions are dense, so a hole is always something that is missing: what lies beyond it is
 * held, and what does not come by itself in a moment is read from the store. The watermark of the tail never passes a hole.
 */
export interface InOrder {
  range(range: LogRange): void;
  doorbell(bell: Doorbell): void;
  /** Takes what a look at the store has found. `isAll`: nothing that was found is on its way any more. */
  found(end: LogEnd, isAll: boolean): void;
  /** Reads the store up to a position now, and its generations too. */
  catchUp(pos: number): void;
  readonly held: number;
  close(): void;
}

export interface InOrderOptions {
  log: LogReads;
  clock: Clock;
  limits: Pick<Limits, "heldEvents" | "heldBytes">;
  times: Pick<Times, "repairMs" | "repairRetryMs">;
  /** Told of every range that skips positions. */
  onGap(): void;
  onRepair(): void;
  /** Told of a read that failed; it is tried again. */
  onError(error: unknown): void;
  /** Told that what the tail has delivered is not what the store holds now, or that the store no longer reaches back to it. */
  onLost(): void;
}

/** The events of one read: few enough to let others run between. */
const STEP = 500;

export function createInOrder(tail: AppTail, options: InOrderOptions): InOrder {
  const { log, clock, limits, times } = options;
  const hold = createHold({ events: limits.heldEvents, bytes: limits.heldBytes });
  let timer: Timer | undefined;
  let isReading = false;
  let isClosed = false;
  /** A generation was named that the tail does not know: only the store can tell what became of the history. */
  let isDoubtful = false;

  const knows = (generationId: string) => tail.state().generations.some((known) => known.generationId === generationId);
  const isBehind = () => isDoubtful || hold.farthest() > tail.watermark();

  /** Whether a range is of the history that the tail follows. A generation that begins beyond the watermark is learned. */
  const belongs = ({ generationId, generationFirstPos, events }: LogRange): boolean => {
    const state = tail.state();
    if (generationAt(state, events[0]?.pos ?? 0) === generationId) return true;
    // Of a part of its generation that a later one has taken the place of.
    if (knows(generationId)) return false;
    if (state.generations.length > 0 && generationFirstPos <= tail.watermark()) {
      isDoubtful = true;
      return false;
    }
    tail.begin({ generationId, firstPos: generationFirstPos });
    return true;
  };

  const applyHeld = () => {
    for (let range = hold.take(tail.watermark()); range !== undefined; range = hold.take(tail.watermark()))
      if (belongs(range)) tail.apply(range.events);
  };

  /** Waits for what is missing, or for nothing any more. */
  const settle = (waitMs: number) => {
    if (isClosed || isReading) return;
    if (isBehind()) timer ??= clock.setTimer(repair, waitMs);
    else stopWaiting();
  };
  const stopWaiting = () => {
    timer?.cancel();
    timer = undefined;
  };

  const repair = () => {
    stopWaiting();
    if (isReading || isClosed) return;
    isReading = true;
    void readMissing().then((waitMs) => {
      isReading = false;
      settle(waitMs);
    });
  };

  /** Reads until nothing is missing, and gives the time after which to go on if something still is. */
  const readMissing = async (): Promise<number> => {
    options.onRepair();
    try {
      while (!isClosed && isBehind() && (await step())) await nextTurn();
      return times.repairMs;
    } catch (error) {
      isDoubtful = true;
      options.onError(error);
      return times.repairRetryMs;
    }
  };

  /** Reads a part; whether to go on at once. */
  const step = async (): Promise<boolean> => {
    const wanted = hold.farthest();
    const from = tail.watermark();
    isDoubtful = false;
    const events = await log.after(tail.appId, from, STEP);
    // After the events, so that no event of a history that is gone passes for one of its successor.
    const state = await log.state(tail.appId);
    if (isClosed) return false;
    const learned = learn(state);
    if (learned === "lost") return lose();
    if (learned === "new") {
      isDoubtful = true;
      return true;
    }
    tail.raiseFloor(state.floor);
    const fresh = events.filter(({ pos }) => pos > tail.watermark());
    if (fresh.length > 0 && fresh[0]?.pos !== tail.watermark() + 1) return lose();
    tail.apply(fresh);
    applyHeld();
    if (tail.watermark() > from) return true;
    if (state.floor > from) return lose();
    // It was committed between the two reads.
    if (state.head > from) return false;
    // The store has told all it has: what was said to lie beyond does not exist.
    hold.forget(wanted);
    return true;
  };

  /** Takes the generations of the store. */
  const learn = ({ generations }: LogState): "known" | "new" | "lost" => {
    const unknown = generations.filter(({ generationId }) => !knows(generationId));
    if (unknown.some(({ firstPos }) => firstPos <= tail.watermark()) && tail.state().generations.length > 0)
      return "lost";
    for (const generation of unknown) tail.begin(generation);
    return unknown.length > 0 ? "new" : "known";
  };

  const lose = (): false => {
    options.onLost();
    return false;
  };

  return {
    range(range) {
      const [first, last] = [range.events[0], range.events.at(-1)];
      if (isClosed || first === undefined || last === undefined) return;
      if (!belongs(range)) {
        if (isDoubtful) repair();
        return;
      }
      if (last.pos <= tail.watermark()) return;
      if (first.pos > tail.watermark() + 1) {
        options.onGap();
        hold.put(range);
      } else {
        tail.apply(range.events);
        if (hold.events > 0) applyHeld();
      }
      settle(times.repairMs);
    },
    doorbell({ generationId, firstPos, lastPos }) {
      if (isClosed) return;
      if (!knows(generationId)) isDoubtful = true;
      hold.note(lastPos);
      // Nothing else will bring what comes next.
      if (isDoubtful || (firstPos <= tail.watermark() + 1 && isBehind())) repair();
      else settle(times.repairMs);
    },
    found({ head, floor, generationId }, isAll) {
      if (isClosed) return;
      tail.raiseFloor(floor);
      if (generationId !== null && !knows(generationId)) isDoubtful = true;
      hold.note(head);
      if (isDoubtful || (isAll && isBehind())) repair();
      else settle(times.repairMs);
    },
    catchUp(pos) {
      if (isClosed) return;
      isDoubtful = true;
      hold.note(pos);
      repair();
    },
    get held() {
      return hold.events;
    },
    close() {
      isClosed = true;
      stopWaiting();
    },
  };
}
