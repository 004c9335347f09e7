import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { describe, expect, it } from "vitest";
import type { AppTail } from "../../server/src/delivery/app-tail.js";
import { createHub } from "../../server/src/delivery/hub.js";
import { createMemoryBus } from "../../server/src/delivery/memory-bus.js";
import type { Subscription } from "../../server/src/delivery/subscription.js";
import { LIMITS, TIMES } from "../../server/src/limits.js";
import { createLogger } from "../../server/src/ops/logger.js";
import { createMetrics } from "../../server/src/ops/metrics.js";
import type { BusListener, BusState, LogEvent, LogRange } from "../../server/src/ports.js";
import { fakeClock } from "../support/fake-clock.js";
import { figure } from "../support/proofs/figure.js";
import { longTimeout, sized } from "../support/proofs/tier.js";
import { allPaths, search } from "./search.js";
import { BATCHES, firstOf, lastOf, type Node, type WatermarkFault, watermark } from "./watermark.js";

const APP = "app";
const generation = { generationId: "0000000000000001", firstPos: 0 };
const parts = {
  limits: LIMITS,
  times: TIMES,
  logger: createLogger("silent"),
  metrics: createMetrics({ process: false }),
};

/** The batch as the committer publishes it. */
function rangeOf(batch: number): LogRange {
  const length = lastOf(batch) - firstOf(batch) + 1;
  const events = Array.from({ length }, (_, at) => ({
    pos: firstOf(batch) + at,
    kind: EventKind.FRIEND_CHANGED,
    payload: Buffer.alloc(1),
    audiences: ["*"],
  }));
  return { appId: APP, generationId: generation.generationId, generationFirstPos: 0, events };
}

/** A real hub with one client, whose reads of the store end when a step says so. */
function realNode(state: BusState, log: () => readonly LogEvent[]) {
  const got: number[] = [];
  const clock = fakeClock();
  let bus: BusListener = {};
  let opened = () => {};
  let repaired: (() => void) | undefined;
  let isOpening = false;
  let tail: AppTail | undefined;
  const stateNow = () => ({ head: log().length, floor: 0, generations: [generation] });
  const hub = createHub({
    ...parts,
    clock,
    log: {
      state: async () => {
        const found = stateNow();
        if (isOpening)
          await new Promise<void>((resolve) => {
            opened = resolve;
          });
        return found;
      },
      after: async (_appId, pos) => {
        const found = log().slice(pos);
        await new Promise<void>((resolve) => {
          repaired = () => {
            repaired = undefined;
            resolve();
          };
        });
        return found;
      },
      ends: async () => [{ appId: APP, head: log().length, floor: 0, generationId: generation.generationId }],
      heads: async () => [],
    },
    bus: {
      ...createMemoryBus(),
      state: () => state,
      subscribe: (listener) => {
        bus = { ...bus, ...listener };
      },
    },
  });

  /** What a stream is to the tail: live from the first moment, after it has read what it lacks. */
  const client = (): Subscription => {
    const pending: number[] = [];
    return {
      userId: "tom",
      sessionId: "s1",
      isLive: true,
      push: (event) => void pending.push(event.pos),
      flush: () => void got.push(...pending.splice(0)),
      end() {
        throw new Error("no stream ends here");
      },
      pushTransient: () => {},
      beat: () => {},
      queuedBytes: () => 0,
      run: () => Promise.reject(new Error("not run here")),
    };
  };

  const open = async () => {
    isOpening = true;
    tail = await hub.tail(APP);
    isOpening = false;
    await tail.add(client(), ["*"], async () => []);
    for (let pos = (got.at(-1) ?? 0) + 1; pos <= tail.watermark(); pos++) got.push(pos);
  };
  return {
    range: (range: LogRange) => bus.range?.(range, state === "alone"),
    bell: ({ events, ...log }: LogRange) =>
      bus.doorbell?.({ ...log, firstPos: events[0]?.pos ?? 0, lastPos: events.at(-1)?.pos ?? 0 }),
    open: () => void open(),
    opened: () => opened(),
    repair: () => clock.advance(TIMES.repairMs),
    repaired: () => repaired?.(),
    /** The bus is up again. */
    look: () => bus.state?.(state),
    seen: () => ({ got, mark: tail?.watermark() ?? -1, isOpening, isReading: repaired !== undefined }),
  };
}

function realNodes() {
  let committed = 0;
  const log = () => Array.from({ length: committed }, (_, batch) => rangeOf(batch).events).flat();
  const nodes = { own: realNode("alone", log), other: realNode("up", log) };
  return {
    nodes,
    async step(step: string) {
      const [verb, what] = step.split(/[ ,]+/) as [string, string];
      if (verb === "commit") nodes.own.range(rangeOf(committed++));
      else if (verb === "range" || verb === "bell") nodes.other[verb](rangeOf(Number(what)));
      else if (verb !== "lose")
        nodes[what as "own" | "other"][verb as "open" | "opened" | "repair" | "repaired" | "look"]();
      await settled();
    },
  };
}

/** Lets everything go on that waits for nothing but a turn. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const shown = ({ got, mark, opening, reading }: Node) => ({
  got,
  mark,
  isOpening: opening >= 0,
  isReading: reading !== undefined,
});

describe("M4: the watermark of two nodes", { timeout: longTimeout }, () => {
  it("has no state with a gap, a repeat or an unseen loss", (context) => {
    const found = search(watermark());
    expect(found.wrong).toBeUndefined();
    figure(
      context,
      `watermark, ${BATCHES.length} batches lost, repeated and reordered: ${found.states} states, ${found.steps} steps, none bad`,
    );
  });

  it("does in the code what it does in the model, step by step", async (context) => {
    const paths = allPaths(watermark());
    // Most paths begin as others do, so that a part of them takes nearly every step of the model.
    const tried = paths.filter((_, at) => at % sized(40, 1) === 0);
    for (const { path, state } of tried) {
      const real = realNodes();
      for (const step of path) await real.step(step);
      expect({ own: real.nodes.own.seen(), other: real.nodes.other.seen() }, path.join("; ")).toEqual({
        own: shown(state.own),
        other: shown(state.other),
      });
    }
    figure(context, `the code agreed with the model on ${tried.length} of ${paths.length} paths`);
  });

  const faults: WatermarkFault[] = [
    "watermark = max",
    "repeats delivered",
    "what is held goes out at once",
    "all that was read goes out",
    "doorbells forgotten, and no look at the head",
    "no look at the head",
  ];
  it.each(faults)("is found broken with a fault built in: %s", (fault) => {
    expect(search(watermark(fault)).wrong?.what).toMatch(/a gap|given|stuck/);
  });
});
