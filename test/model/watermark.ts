import type { Machine } from "./search.js";

/** The last position of each batch that is committed; two of one event, one of two between them. */
export const BATCHES: readonly number[] = [1, 3, 4];

/** What a node knows of an app's log, and one client of it. */
export interface Node {
  /** The watermark; -1 while the app has no tail on this node. */
  mark: number;
  /** The head that was read for a tail that is being opened, or -1; and the batches that were heard meanwhile. */
  opening: number;
  early: number[];
  /** What the client was given, over all its streams. */
  got: number[];
}

/** Two nodes on one log: `own` hears its commits in the tick they happen, `other` by a bus that loses, repeats and reorders. */
export interface Watermark {
  committed: number;
  own: Node;
  other: Node;
  /** The batches on their way to the other node, and whether it has heard the last one. */
  flight: number[];
  heardLast: boolean;
}

/** A fault that somebody might build in; the search must find each. */
export type WatermarkFault = "watermark = max" | "early ranges forgotten" | "repeats delivered" | "gap ignored";

const copyNode = (node: Node): Node => ({ ...node, early: [...node.early], got: [...node.got] });
const copy = (s: Watermark): Watermark => ({
  ...s,
  own: copyNode(s.own),
  other: copyNode(s.other),
  flight: [...s.flight],
});

export const firstOf = (batch: number): number => (BATCHES[batch - 1] ?? 0) + 1;
export const lastOf = (batch: number): number => BATCHES[batch] ?? 0;
const HEAD = lastOf(BATCHES.length - 1);

export function watermark(fault?: WatermarkFault): Machine<Watermark> {
  const give = (node: Node, from: number, to: number) => {
    for (let pos = from; pos <= to; pos++) node.got.push(pos);
  };

  /** What app-tail.ts does with a range, and hub.ts with a gap. */
  const range = (node: Node, batch: number) => {
    const [first, last] = [firstOf(batch), lastOf(batch)];
    if (last <= node.mark && fault !== "repeats delivered") return;
    if (first > node.mark + 1 && fault !== "watermark = max") {
      // The streams are sent away and the tail is opened anew by the next who asks.
      if (fault !== "gap ignored") node.mark = -1;
      return;
    }
    node.mark = Math.max(node.mark, last);
    give(node, first, last);
  };

  const hear = (node: Node, batch: number) => {
    if (node.opening >= 0) node.early.push(batch);
    if (node.mark >= 0) range(node, batch);
  };

  const opened = (node: Node) => {
    node.mark = node.opening;
    node.opening = -1;
    const early = fault === "early ranges forgotten" ? [] : node.early;
    node.early = [];
    const unheard = { ...node, got: [] };
    for (const batch of early) if (unheard.mark >= 0) range(unheard, batch);
    node.mark = unheard.mark;
    // The client reads what it lacks up to the watermark; pull-live.ts looks at how it gets there.
    if (node.mark >= 0) give(node, (node.got.at(-1) ?? 0) + 1, node.mark);
  };

  function* steps(s: Watermark): Generator<[string, (s: Watermark) => void]> {
    if (s.committed < BATCHES.length)
      yield [
        "commit",
        (after) => {
          hear(after.own, after.committed);
          after.flight.push(after.committed++);
        },
      ];
    for (const name of ["own", "other"] as const) {
      // The own node, which loses nothing, is opened early or not at all: that halves the states.
      if (s[name].mark < 0 && s[name].opening < 0 && (name === "other" || s.committed < 2))
        yield [
          `open ${name}`,
          (after) => {
            after[name].opening = lastOf(after.committed - 1);
          },
        ];
      if (s[name].opening >= 0) yield [`opened ${name}`, (after) => opened(after[name])];
    }
    for (const batch of s.flight) {
      const told = (after: Watermark) => {
        hear(after.other, batch);
        after.heardLast ||= batch === BATCHES.length - 1;
      };
      const gone = (after: Watermark) => {
        after.flight = after.flight.filter((one) => one !== batch);
      };
      yield [
        `hear ${batch}`,
        (after) => {
          told(after);
          gone(after);
        },
      ];
      // Early repeats are bounded, or there were no end to the states.
      if (s.other.early.length < 2) yield [`hear ${batch}, more to come`, told];
      yield [`lose ${batch}`, gone];
    }
  }

  const node = (): Node => ({ mark: -1, opening: -1, early: [], got: [] });
  return {
    start: { committed: 0, own: node(), other: node(), flight: [], heardLast: false },
    *next(state) {
      for (const [name, step] of steps(state)) {
        const after = copy(state);
        step(after);
        yield [name, after];
      }
    },
    wrong({ own, other, committed }) {
      for (const { got, mark } of [own, other]) {
        if (got.some((pos, at) => pos !== at + 1)) return `a gap or a repeat: ${got.join(" ")}`;
        if (mark >= 0 && mark !== (got.at(-1) ?? 0)) return `given ${got.join(" ")} at watermark ${mark}`;
        if (mark > lastOf(committed - 1)) return "the watermark is ahead of the log";
      }
      return undefined;
    },
    // Only the loss of the very last batch goes unseen, until a later one or a new stream shows it.
    mayEnd: ({ own, other, heardLast }) =>
      (own.mark === HEAD || own.got.length === 0) && (other.mark === HEAD || !heardLast),
  };
}
