import type { LogRange } from "../ports.js";

/** What has come of one app's log before something earlier has. Bounded: beyond the bounds only the farthest position is kept in mind. */
export interface Hold {
  /** Keeps a range for when its turn comes. */
  put(range: LogRange): void;
  /** Positions up to this one are in the store. */
  note(pos: number): void;
  /** Takes out a range that holds the position after this one. What lies behind it is forgotten. */
  take(pos: number): LogRange | undefined;
  /** Forgets everything up to a position: the store does not hold it. */
  forget(pos: number): void;
  /** The farthest position that is known of, or 0. */
  farthest(): number;
  readonly events: number;
}

export interface HoldBounds {
  events: number;
  bytes: number;
}

export function createHold(bounds: HoldBounds): Hold {
  // By their first positions.
  const ranges: LogRange[] = [];
  let farthest = 0;
  let events = 0;
  let bytes = 0;

  const remove = (at: number): LogRange | undefined => {
    const [range] = ranges.splice(at, 1);
    if (range === undefined) return undefined;
    events -= range.events.length;
    bytes -= bytesOf(range);
    return range;
  };

  return {
    put(range) {
      farthest = Math.max(farthest, lastOf(range));
      const size = bytesOf(range);
      if (events + range.events.length > bounds.events || bytes + size > bounds.bytes) return;
      let at = ranges.length;
      while (at > 0 && firstOf(ranges[at - 1] as LogRange) > firstOf(range)) at--;
      const before = ranges[at - 1];
      // A repeat.
      if (before !== undefined && lastOf(before) >= lastOf(range)) return;
      ranges.splice(at, 0, range);
      events += range.events.length;
      bytes += size;
    },
    note(pos) {
      farthest = Math.max(farthest, pos);
    },
    take(pos) {
      while (ranges[0] !== undefined && lastOf(ranges[0]) <= pos) remove(0);
      return ranges[0] !== undefined && firstOf(ranges[0]) <= pos + 1 ? remove(0) : undefined;
    },
    forget(pos) {
      for (let at = ranges.length - 1; at >= 0; at--) if (lastOf(ranges[at] as LogRange) <= pos) remove(at);
      if (farthest <= pos) farthest = 0;
    },
    farthest: () => farthest,
    get events() {
      return events;
    },
  };
}

const firstOf = ({ events }: LogRange): number => events[0]?.pos ?? 0;
const lastOf = ({ events }: LogRange): number => events.at(-1)?.pos ?? 0;

/** What a range takes of memory, about. */
function bytesOf({ events }: LogRange): number {
  let bytes = 0;
  for (const { payload, audiences } of events) {
    bytes += payload.length;
    for (const audience of audiences) bytes += audience.length;
  }
  return bytes;
}
