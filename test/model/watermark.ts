import type { Machine } from "./search.js";

/** The last position of each batch that is committed; two of one event, one of two between them. */
export const BATCHES: readonly number[] = [1, 3, 4];

/** What a node knows of an app's log, and one client of it. */
export interface Node {
  /** The watermark; -1 while the app has no tail on this node. */
  mark: number;
  /** The head that was read for a tail that is being opened, or -1; and what was heard meanwhile. */
  opening: number;
  early: string[];
  /** The batches that came too early, and the farthest position that is known of. */
  held: number[];
  farthest: number;
  /** What is being read from the store: the events after `from` up to the head of that moment. */
  reading: { from: number; head: number } | undefined;
  /** What the client was given. */
  got: number[];
}

/** Two nodes on one log: `own` hears its commits in the tick they happen, `other` by a bus that loses, repeats and reorders. */
export interface Watermark {
  committed: number;
  own: Node;
  other: Node;
  /** The batches on their way to the other node. */
  flight: number[];
}

/** A fault that somebody might build in; the search must find each. */
export type WatermarkFault =
  | "watermark = max"
  | "repeats delivered"
  | "what is held goes out at once"
  | "all that was read goes out"
  | "doorbells forgotten, and no look at the head"
  | "no look at the head";

const copyNode = (node: Node): Node => ({
  ...node,
  early: [...node.early],
  held: [...node.held],
  got: [...node.got],
});
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
  /** What app-tail.ts does: the events up to a position, those after the watermark. */
  const apply = (node: Node, from: number, to: number) => {
    for (let pos = from; pos <= to; pos++) node.got.push(pos);
    node.mark = Math.max(node.mark, to);
  };

  // What in-order.ts does.
  const applyHeld = (node: Node) => {
    for (const batch of [...node.held]) {
      if (firstOf(batch) > node.mark + 1 && fault !== "what is held goes out at once") break;
      node.held.shift();
      if (lastOf(batch) > node.mark) apply(node, node.mark + 1, lastOf(batch));
    }
  };
  const range = (node: Node, batch: number) => {
    const [first, last] = [firstOf(batch), lastOf(batch)];
    if (last <= node.mark && fault !== "repeats delivered") return;
    if (first > node.mark + 1 && fault !== "watermark = max") {
      node.farthest = Math.max(node.farthest, last);
      if (!node.held.includes(batch)) node.held = [...node.held, batch].sort();
    } else apply(node, fault === undefined ? node.mark + 1 : first, last);
    applyHeld(node);
  };
  const isBehind = (node: Node) => node.farthest > node.mark;
  const read = (node: Node, committed: number) => {
    if (isBehind(node)) node.reading ??= { from: node.mark, head: lastOf(committed - 1) };
  };
  const doorbell = (node: Node, batch: number, committed: number) => {
    if (fault === "doorbells forgotten, and no look at the head") return;
    node.farthest = Math.max(node.farthest, lastOf(batch));
    if (firstOf(batch) <= node.mark + 1) read(node, committed);
  };
  const readEnds = (node: Node, committed: number) => {
    const { from, head } = node.reading as { from: number; head: number };
    node.reading = undefined;
    const first = fault === "all that was read goes out" ? from : node.mark;
    if (head > first) apply(node, first + 1, head);
    applyHeld(node);
    read(node, committed);
  };

  /** What hub.ts does. */
  const hear = (node: Node, what: string, committed: number) => {
    if (node.opening >= 0) node.early.push(what);
    if (node.mark >= 0) tell(node, what, committed);
  };
  const tell = (node: Node, what: string, committed: number) => {
    const batch = Number(what.slice(1));
    if (what.startsWith("b")) doorbell(node, batch, committed);
    else range(node, batch);
  };
  const opened = (node: Node, committed: number) => {
    node.mark = node.opening;
    node.opening = -1;
    for (const what of node.early) tell(node, what, committed);
    node.early = [];
    // The client reads what it lacks up to the watermark; pull-live.ts looks at how it gets there.
    node.got = Array.from({ length: node.mark }, (_, at) => at + 1);
  };

  function* steps(s: Watermark): Generator<[string, (s: Watermark) => void]> {
    if (s.committed < BATCHES.length)
      yield [
        "commit",
        (after) => {
          hear(after.own, `r${after.committed}`, after.committed + 1);
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
      if (s[name].opening >= 0) yield [`opened ${name}`, (after) => opened(after[name], after.committed)];
    }
    const { other, committed } = s;
    if (other.mark >= 0 && isBehind(other) && other.reading === undefined)
      yield ["repair other", (after) => read(after.other, committed)];
    if (other.reading !== undefined) yield ["repaired other", (after) => readEnds(after.other, committed)];
    const head = lastOf(committed - 1);
    if (other.mark >= 0 && other.mark < head && other.farthest < head && !fault?.endsWith("no look at the head"))
      yield [
        "look other",
        (after) => {
          after.other.farthest = head;
        },
      ];
    for (const batch of s.flight) {
      const gone = (after: Watermark) => {
        after.flight = after.flight.filter((one) => one !== batch);
      };
      for (const form of ["range", "bell"]) {
        const told = (after: Watermark) => hear(after.other, `${form.charAt(0)}${batch}`, committed);
        yield [
          `${form} ${batch}`,
          (after) => {
            told(after);
            gone(after);
          },
        ];
        // Early repeats are bounded, or there were no end to the states.
        if (s.other.early.length < 2) yield [`${form} ${batch}, more to come`, told];
      }
      yield [`lose ${batch}`, gone];
    }
  }

  const node = (): Node => ({
    mark: -1,
    opening: -1,
    early: [],
    held: [],
    farthest: 0,
    reading: undefined,
    got: [],
  });
  return {
    start: { committed: 0, own: node(), other: node(), flight: [] },
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
    mayEnd: ({ own, other }) => (own.mark === HEAD || own.got.length === 0) && other.mark === HEAD,
  };
}
