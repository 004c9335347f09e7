import type { Machine } from "./search.js";

/** One stream between a writer that commits and a hub that tells: as server/src/delivery/subscription.ts means it. */
export interface PullLive {
  /** The events committed, and those the hub has told of. */
  log: number;
  mark: number;
  /** Retention has removed everything up to here. */
  floor: number;
  doing: "prelude" | "room" | "reading" | "naming" | "turning" | "live";
  pos: number;
  caughtUp: boolean;
  /** Whether the friends that are online were named after the last change of a friendship. */
  named: boolean;
  /** What came while reading since the watermark was at `from`; undefined when some of it had no room. */
  kept: { from: number; events: number[] } | undefined;
  /** What a read that is under way asks up to. */
  upTo: number;
  /** The bytes that the consumer has not taken. */
  queued: number;
  /** What was written: positions, and for a resync the negative of the position that the stream goes on from. */
  got: number[];
}

/** A fault that somebody might build in; the search must find each. */
export type PullLiveFault =
  | "await before live"
  | "live once friends are named"
  | "reads from its own position"
  | "position kept on overflow"
  | "falls back to the watermark"
  | "forgets that what it kept is not all"
  | "takes what it kept before all else is read"
  | "takes what it has read once more";

/** Whether an event is of a friendship: after those that were read, the friends that are online are named. */
export const isOfFriend = (pos: number): boolean => pos % 2 === 1;

/** The bytes of an event's frame, of the frames that carry none, and of the queue. */
export interface Sizes {
  event: number;
  caughtUp: number;
  resync: number;
  queue: number;
}

const EVENTS = 4;
/** The events that one read may bring. */
export const CHUNK = 2;
/** One event fits beside another, a third does not. */
export const SMALL: Sizes = { event: 1, caughtUp: 1, resync: 1, queue: 2 };
/** Two events are kept while it reads. */
export const ROOMY: Sizes = { ...SMALL, queue: 4 };

export function pullLive(fault?: PullLiveFault, sizes = SMALL): Machine<PullLive> {
  /** What a stream does from one await to the next. */
  const goOn = (s: PullLive) => {
    takeKept(s);
    s.kept ??= { from: s.mark, events: [] };
    if (s.pos < s.mark || !s.named) {
      // A read asks up to the watermark of its beginning, and begins when half of the queue is free.
      s.upTo = s.mark;
      s.doing = "room";
      return s.queued > sizes.queue / 2 ? undefined : leaveRoom(s);
    }
    turnLive(s);
  };

  const leaveRoom = (s: PullLive) => {
    s.doing = s.pos < s.upTo ? "reading" : "naming";
    if (s.doing === "naming") s.named = true;
  };

  const takeKept = (s: PullLive) => {
    if (s.kept === undefined || (s.kept.from > s.pos && fault !== "takes what it kept before all else is read")) return;
    writeEvents(
      s,
      s.kept.events.filter((pos) => pos > s.pos || fault === "takes what it has read once more"),
    );
    s.pos = Math.max(s.pos, s.mark);
    s.kept = undefined;
  };

  const keep = (s: PullLive, told: number[]) => {
    if (told.some(isOfFriend)) s.named = false;
    for (const pos of told) {
      if (s.kept === undefined) return;
      const fits = (s.kept.events.length + 1) * sizes.event + s.queued <= sizes.queue / 2;
      if (fits) s.kept.events.push(pos);
      else if (fault !== "forgets that what it kept is not all") s.kept = undefined;
    }
  };

  const turnLive = (s: PullLive) => {
    s.kept = undefined;
    if (!s.caughtUp) s.queued += sizes.caughtUp;
    s.caughtUp = true;
    s.doing = fault === "await before live" ? "turning" : "live";
  };

  const writeEvents = (s: PullLive, events: number[]) => {
    s.got.push(...events);
    s.queued += events.length * sizes.event;
  };

  const takeRead = (s: PullLive) => {
    if (s.pos < s.floor) {
      s.got.push(-s.mark);
      s.queued += sizes.resync;
      s.pos = s.mark;
      s.named = false;
      return goOn(s);
    }
    const from = fault === "reads from its own position" ? Math.max(0, s.pos - 1) : s.pos;
    const chunk = range(from + 1, s.upTo).slice(0, CHUNK);
    writeEvents(s, chunk);
    if (chunk.some(isOfFriend)) s.named = false;
    // A read of as much as it may is complete to its last event, another to all that was asked for.
    s.pos = chunk.length === CHUNK ? (chunk.at(-1) as number) : s.upTo;
    goOn(s);
  };

  const tell = (s: PullLive, count: number) => {
    const before = s.mark;
    s.mark += count;
    const told = range(before + 1, s.mark);
    if (s.doing !== "live") return keep(s, told);
    // One event goes into an empty queue however large it is.
    const fits = told.findIndex((_, at) => {
      const waiting = s.queued + at * sizes.event;
      return waiting > 0 && waiting + sizes.event > sizes.queue;
    });
    writeEvents(s, fits < 0 ? told : told.slice(0, fits));
    s.pos = fits < 0 ? s.mark : before + fits;
    if (fits < 0) return;
    // Those after the first that had no room come to a stream that reads.
    if (told.slice(fits + 1).some(isOfFriend)) s.named = false;
    if (fault === "position kept on overflow") s.pos = before;
    if (fault === "falls back to the watermark") s.pos = s.mark;
    goOn(s);
  };

  const steps: [name: string, can: (s: PullLive) => boolean, step: (s: PullLive) => void][] = [
    ["commit", (s) => s.log < EVENTS, (s) => void s.log++],
    ["tell 1", (s) => s.mark < s.log, (s) => tell(s, 1)],
    ["tell 2", (s) => s.mark + 1 < s.log, (s) => tell(s, 2)],
    ["prelude", (s) => s.doing === "prelude", goOn],
    ["read", (s) => s.doing === "reading", takeRead],
    [
      "name",
      (s) => s.doing === "naming",
      (s) => {
        if (fault === "live once friends are named") turnLive(s);
        else goOn(s);
      },
    ],
    [
      "turn",
      (s) => s.doing === "turning",
      (s) => {
        s.doing = "live";
      },
    ],
    [
      "trim",
      (s) => s.floor === 0 && s.mark > 1,
      (s) => {
        s.floor = s.mark;
      },
    ],
    [
      "drain",
      (s) => s.queued > 0,
      (s) => {
        s.queued = 0;
        if (s.doing === "room") leaveRoom(s);
      },
    ],
  ];

  return {
    start: {
      log: 0,
      mark: 0,
      floor: 0,
      doing: "prelude",
      pos: 0,
      caughtUp: false,
      named: false,
      kept: undefined,
      upTo: 0,
      queued: 0,
      got: [],
    },
    *next(state) {
      for (const [name, can, step] of steps) {
        if (!can(state)) continue;
        const after = structuredClone(state);
        step(after);
        yield [name, after];
      }
    },
    wrong: ({ got, floor }) => {
      for (const [at, pos] of got.entries()) {
        const before = Math.abs(got[at - 1] ?? 0);
        // Only a resync, told, may stand for events, and only for those that retention took.
        if (pos < 0 && before >= floor) return `a needless resync: ${got.join(" ")}`;
        if (pos > 0 && pos !== before + 1) return `${pos > before ? "a gap" : "a repeat"}: ${got.join(" ")}`;
      }
      return undefined;
    },
    mayEnd: (s) => s.doing === "live" && Math.abs(s.got.at(-1) ?? 0) === EVENTS,
  };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => from + at);
}
