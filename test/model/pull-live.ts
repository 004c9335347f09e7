import type { Machine } from "./search.js";

/** One stream between a writer that commits and a hub that tells: as server/src/delivery/subscription.ts means it. */
export interface PullLive {
  /** The events committed, and those the hub has told of. */
  log: number;
  mark: number;
  /** Retention has removed everything up to here. */
  floor: number;
  doing: "prelude" | "reading" | "room" | "turning" | "live";
  pos: number;
  caughtUp: boolean;
  /** What a read found and waits to write. */
  chunk: number[];
  upTo: number;
  expired: boolean;
  /** What was handed over live and not yet written; empty between two steps. */
  pending: number[];
  /** The writes that the consumer has not taken. */
  queued: number;
  /** What was written: positions, and for a resync the negative of the position that the stream goes on from. */
  got: number[];
}

/** A fault that somebody might build in; the search must find each. */
export type PullLiveFault =
  | "await before live"
  | "reads from its own position"
  | "queue kept"
  | "falls back to the watermark";

const EVENTS = 4;
/** The events that one read may bring. */
export const CHUNK = 2;
/** The writes that may wait before a stream counts as slow. */
export const QUEUE = 1;

export function pullLive(fault?: PullLiveFault): Machine<PullLive> {
  const write = (s: PullLive, frames: number[]) => {
    if (frames.length === 0) return;
    s.got.push(...frames);
    s.queued++;
  };

  /** What a stream does from one await to the next. */
  const goOn = (s: PullLive) => {
    if (s.pos < s.mark) {
      s.doing = "reading";
      // A read asks up to the watermark of its beginning.
      s.upTo = s.mark;
      return;
    }
    if (!s.caughtUp) s.queued++;
    s.caughtUp = true;
    s.doing = fault === "await before live" ? "turning" : "live";
  };

  const takeRead = (s: PullLive) => {
    const from = fault === "reads from its own position" ? Math.max(0, s.pos - 1) : s.pos;
    s.expired = s.pos < s.floor;
    s.chunk = range(from + 1, s.upTo).slice(0, CHUNK);
    // A read of as much as it may is complete to its last event, another to all that was asked for.
    if (s.chunk.length === CHUNK) s.upTo = s.chunk.at(-1) as number;
    if (s.queued > QUEUE) s.doing = "room";
    else writeChunk(s);
  };

  const writeChunk = (s: PullLive) => {
    write(s, s.expired ? [-s.mark] : s.chunk);
    s.pos = s.expired ? s.mark : s.upTo;
    s.expired = false;
    s.chunk = [];
    goOn(s);
  };

  const tell = (s: PullLive, count: number) => {
    const before = s.mark;
    s.mark += count;
    if (s.doing !== "live") return;
    s.pending.push(...range(before + 1, s.mark));
    if (s.queued <= QUEUE) {
      const frames = s.pending;
      s.pending = [];
      s.pos = s.mark;
      return write(s, frames);
    }
    if (fault !== "queue kept") s.pending = [];
    s.pos = fault === "falls back to the watermark" ? s.mark : before;
    goOn(s);
  };

  const steps: [name: string, can: (s: PullLive) => boolean, step: (s: PullLive) => void][] = [
    ["commit", (s) => s.log < EVENTS, (s) => void s.log++],
    ["tell 1", (s) => s.mark < s.log, (s) => tell(s, 1)],
    ["tell 2", (s) => s.mark + 1 < s.log, (s) => tell(s, 2)],
    ["prelude", (s) => s.doing === "prelude", goOn],
    ["read", (s) => s.doing === "reading", takeRead],
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
        if (s.doing === "room") writeChunk(s);
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
      chunk: [],
      upTo: 0,
      expired: false,
      pending: [],
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
