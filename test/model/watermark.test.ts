import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { describe, expect, it } from "vitest";
import type { AppTail } from "../../server/src/delivery/app-tail.js";
import { createHub } from "../../server/src/delivery/hub.js";
import type { Subscription } from "../../server/src/delivery/subscription.js";
import { createLogger } from "../../server/src/ops/logger.js";
import { createMetrics } from "../../server/src/ops/metrics.js";
import type { BusListener, LogRange } from "../../server/src/ports.js";
import type { Db } from "../../server/src/store/schema.js";
import { fakeClock } from "../support/fake-clock.js";
import { figure } from "../support/proofs/figure.js";
import { longTimeout, sized } from "../support/proofs/tier.js";
import { allPaths, search } from "./search.js";
import { BATCHES, firstOf, lastOf, type Node, type WatermarkFault, watermark } from "./watermark.js";

const APP = "app";
const generation = { generationId: "0000000000000001", firstPos: 0 };
const parts = { logger: createLogger("silent"), metrics: createMetrics({ process: false }) };

/** The batch as the committer publishes it. */
function rangeOf(batch: number): LogRange {
  const length = lastOf(batch) - firstOf(batch) + 1;
  const events = Array.from({ length }, (_, at) => ({
    pos: firstOf(batch) + at,
    kind: EventKind.FRIEND_CHANGED,
    payload: Buffer.alloc(0),
    audiences: ["*"],
  }));
  return { appId: APP, generationId: generation.generationId, generationFirstPos: 0, events };
}

/** A real hub with one client, whose reads of the log's state end when a step says so. */
function realNode(head: () => number) {
  const got: number[] = [];
  let bus: BusListener | undefined;
  let answer = () => {};
  let isOpening = false;
  let tail: AppTail | undefined;
  const hub = createHub({
    ...parts,
    clock: fakeClock(),
    read: stateReader(() => {
      const found = head();
      return new Promise((resolve) => {
        answer = () => resolve(found);
      });
    }),
    bus: {
      publish: () => {},
      publishTransient: () => {},
      subscribe: (listener) => {
        bus = listener;
      },
    },
  });

  /** What a stream is to the tail: live from the first moment, after it has read what it lacks. */
  const client = (): Subscription => {
    let pending: number[] = [];
    return {
      userId: "tom",
      sessionId: "s1",
      isLive: true,
      push: (event) => void pending.push(event.pos),
      flush: () => void got.push(...pending.splice(0)),
      end() {
        pending = [];
        tail = undefined;
      },
      pushTransient: () => {},
      beat: () => {},
      queuedBytes: () => 0,
      run: () => Promise.reject(new Error("not run here")),
    };
  };

  const open = async () => {
    isOpening = true;
    const opened = await hub.tail(APP);
    isOpening = false;
    tail = opened;
    await opened.add(client(), ["*"], async () => []);
    // Sent back at once, it reads nothing.
    if (tail === undefined) return;
    for (let pos = (got.at(-1) ?? 0) + 1; pos <= opened.state().head; pos++) got.push(pos);
  };
  return {
    hear: (range: LogRange) => bus?.range(range),
    open: () => void open(),
    opened: () => answer(),
    seen: () => ({ got, mark: tail?.state().head ?? -1, isOpening }),
  };
}

/** A database that knows the state of one log, told when asked. */
function stateReader(head: () => Promise<number>): Db {
  const query = (table: string) => {
    const made = {
      select: () => made,
      where: () => made,
      orderBy: () => made,
      executeTakeFirst: async () => ({ pos: await head(), floor_pos: 0 }),
      execute: async () => (table === "generation" ? [generation] : []),
    };
    return made;
  };
  return { selectFrom: query } as unknown as Db;
}

function realNodes() {
  let committed = 0;
  const head = () => lastOf(committed - 1);
  const nodes = { own: realNode(head), other: realNode(head) };
  return {
    nodes,
    async step(step: string) {
      const [verb, what] = step.split(/[ ,]+/) as [string, string];
      const node = nodes[what as keyof typeof nodes];
      if (verb === "commit") nodes.own.hear(rangeOf(committed++));
      else if (verb === "hear") nodes.other.hear(rangeOf(Number(what)));
      else if (verb === "open") node.open();
      else if (verb === "opened") node.opened();
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    },
  };
}

const shown = ({ got, mark, opening }: Node) => ({ got, mark, isOpening: opening >= 0 });

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

  const faults: WatermarkFault[] = ["watermark = max", "early ranges forgotten", "repeats delivered", "gap ignored"];
  it.each(faults)("is found broken with a fault built in: %s", (fault) => {
    expect(search(watermark(fault)).wrong?.what).toMatch(/a gap|given|stuck/);
  });
});
