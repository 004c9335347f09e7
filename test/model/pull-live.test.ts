import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ResyncReason, SubscribeResponseSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { EventKind, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { describe, expect, it } from "vitest";
import { createAppTail } from "../../server/src/delivery/app-tail.js";
import { controlFrame, encodeEvent } from "../../server/src/delivery/frames.js";
import { createSubscription } from "../../server/src/delivery/subscription.js";
import type { LogEvent } from "../../server/src/ports.js";
import { decodeCursor, encodeCursor } from "../../server/src/store/cursor.js";
import { fakeClock } from "../support/fake-clock.js";
import { figure } from "../support/proofs/figure.js";
import { longTimeout, sized } from "../support/proofs/tier.js";
import {
  CHUNK,
  isOfFriend,
  type PullLive,
  type PullLiveFault,
  pullLive,
  ROOMY,
  type Sizes,
  SMALL,
} from "./pull-live.js";
import { allPaths, search } from "./search.js";

const APP = "app";
const GENERATION = "0000000000000001";

const payload = toBinary(StreamEventSchema, create(StreamEventSchema, { kind: EventKind.FRIEND_CHANGED }));
const event = (pos: number): LogEvent => ({
  pos,
  kind: isOfFriend(pos) ? EventKind.FRIEND_CHANGED : EventKind.MESSAGE_CREATED,
  payload,
  audiences: ["u:tom"],
});
const cursor = encodeCursor(APP, { generationId: GENERATION, pos: 1 });
const sizeOf = (frame: Parameters<typeof controlFrame>[1]) => controlFrame("binary", frame).length;
const eventBytes = encodeEvent(EventKind.FRIEND_CHANGED, 1, cursor, payload).frame("binary").length;
/** The real sizes, with the queues of the models. */
const SIZES: Sizes[] = [SMALL, ROOMY].map(({ queue }) => ({
  event: eventBytes,
  caughtUp: sizeOf({ case: "caughtUp", value: { cursor } }),
  resync: sizeOf({ case: "resyncRequired", value: { reason: ResyncReason.EXPIRED } }),
  queue: queue * eventBytes,
}));

/** The turns of microtasks after which all that can happen without a further step has happened. */
const SETTLED = 8;

/** The real stream on the real tail of a log, each of its awaits ended by a step. */
function realStream(queueBytes: number) {
  const log: LogEvent[] = [];
  const got: number[] = [];
  const wrong: string[] = [];
  let [told, floor, queued] = [0, 0, 0];
  let [endPrelude, endNaming, endRead, endDrain] = [() => {}, () => {}, () => {}, () => {}];
  const unexpected = (error?: unknown) => wrong.push(`unexpected: ${String(error)}`);
  const tail = createAppTail(
    APP,
    { head: 0, floor: 0, generations: [{ generationId: GENERATION, firstPos: 0 }] },
    { onRoom: unexpected, onError: unexpected },
  );
  const placeOf = (cursor: string) => decodeCursor(APP, cursor)?.pos ?? Number.NaN;

  const take = (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; ) {
      const end = at + 5 + bytes.readUInt32BE(at + 1);
      const { frame } = fromBinary(SubscribeResponseSchema, bytes.subarray(at + 5, end));
      if (frame.case === "event") got.push(placeOf(frame.value.cursor));
      if (frame.case === "resyncRequired") got.push(-tail.state().head);
      // What a client would save: it must never be ahead of what it was given.
      const saved = frame.case === "caughtUp" || frame.case === "heartbeat" ? placeOf(frame.value.cursor) : 0;
      if (saved > Math.abs(got.at(-1) ?? 0)) wrong.push(`${frame.case} at ${saved} after ${got.join(" ")}`);
      at = end;
    }
  };

  const subscription = createSubscription({
    userId: "tom",
    sessionId: "s1",
    codec: "binary",
    kinds: new Set(),
    always: new Set(),
    pos: 0,
    clock: fakeClock(),
    heartbeatMs: 20_000,
    writeStallMs: 30_000,
    queueBytes,
    sink: {
      write(bytes) {
        queued += bytes.length;
        take(bytes);
      },
      queuedBytes: () => queued,
      drained: () =>
        new Promise((resolve) => {
          endDrain = resolve;
        }),
      destroy: unexpected,
    },
    watermark: () => tail.state().head,
    cursorAt: tail.cursorAt,
    prelude: async () => {
      const stays = new Promise<[]>((resolve) => {
        endPrelude = () => resolve([]);
      });
      await tail.add(subscription, ["u:tom"], () => stays);
    },
    onlineFriends: () =>
      new Promise((resolve) => {
        endNaming = () => resolve([]);
      }),
    read: (from, to) =>
      new Promise((resolve) => {
        endRead = () => {
          const events = log.slice(from, Math.min(to, from + CHUNK));
          const upTo = events.length === CHUNK ? from + CHUNK : to;
          resolve(from < floor ? "expired" : { events: events.map(tail.encode), upTo });
        };
      }),
    onFellBehind: () => {},
    onError: unexpected,
  });

  const tell = (count: number) => {
    const events = log.slice(told, told + count);
    told += count;
    tail.apply(events);
  };
  const steps: Record<string, () => void> = {
    commit: () => void log.push(event(log.length + 1)),
    "tell 1": () => tell(1),
    "tell 2": () => tell(2),
    prelude: () => endPrelude(),
    name: () => endNaming(),
    read: () => endRead(),
    trim: () => {
      floor = tail.state().head;
    },
    drain() {
      queued = 0;
      endDrain();
    },
  };
  void subscription.run(new AbortController().signal).then(unexpected);
  return {
    async step(name: string, turns = SETTLED) {
      steps[name]?.();
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    },
    /** Lets all that is committed arrive. */
    async finish() {
      for (let round = 0; round < 8; round++) {
        for (const name of ["prelude", "name", "read", "drain", "tell 1"])
          if (name !== "tell 1" || told < log.length) await this.step(name);
      }
      return { got, floor, committed: log.length, wrong };
    },
    /** Its visible state, in the words of the model. */
    seen: () => ({ got, queued, live: subscription.isLive, mark: tail.state().head, wrong }),
    beat() {
      subscription.beat(Number.MAX_SAFE_INTEGER);
      return wrong;
    },
  };
}

describe("M4: the change from reading to live", { timeout: longTimeout }, () => {
  it("has no state with a gap, a repeat or a standstill", (context) => {
    const found = [pullLive(), pullLive(undefined, ROOMY)].map((machine) => search(machine));
    for (const { wrong } of found) expect(wrong).toBeUndefined();
    const sum = (what: "states" | "steps") => found.reduce((total, each) => total + each[what], 0);
    figure(context, `pull and live: ${sum("states")} states, ${sum("steps")} steps, none bad`);
  });

  it("does in the code what it does in the model, step by step", async (context) => {
    let steps = 0;
    const paths = SIZES.flatMap((sizes) =>
      allPaths(pullLive(undefined, sizes))
        .filter((_, at) => at % sized(3, 1) === 0)
        .map((each) => ({ ...each, sizes })),
    );
    for (const { path, state, sizes } of paths) {
      const real = realStream(sizes.queue);
      for (const name of path) await real.step(name);
      steps += path.length;
      const { got, queued, mark } = state satisfies PullLive;
      expect(real.seen(), path.join(", ")).toEqual({ got, queued, mark, live: state.doing === "live", wrong: [] });
      expect(real.beat(), `${path.join(", ")}, heartbeat`).toEqual([]);
    }
    figure(context, `the code agreed with the model on ${paths.length} paths, ${steps} steps`);
  });

  it("loses nothing when the steps come between any two of its microtasks", async (context) => {
    let runs = 0;
    for (const sizes of SIZES) {
      const machine = pullLive(undefined, sizes);
      const paths = allPaths(machine).filter((_, at) => at % sized(20, 1) === 0);
      for (const { path } of paths)
        for (let turns = 0; turns < SETTLED; turns++) {
          const real = realStream(sizes.queue);
          for (const name of path) await real.step(name, turns);
          const { got, floor, committed, wrong } = await real.finish();
          const way = `${path.join(", ")}, ${turns} microtasks between; given ${got.join(" ")}`;
          expect(machine.wrong({ ...machine.start, got, floor }), way).toBeUndefined();
          expect({ last: Math.abs(got.at(-1) ?? 0), wrong }, way).toEqual({ last: committed, wrong: [] });
          runs++;
        }
    }
    figure(context, `${runs} runs with steps between microtasks, none bad`);
  });

  const faults: PullLiveFault[] = [
    "await before live",
    "live once friends are named",
    "reads from its own position",
    "position kept on overflow",
    "falls back to the watermark",
    "forgets that what it kept is not all",
    "takes what it kept before all else is read",
    "takes what it has read once more",
  ];
  it.each(faults)("is found broken with a fault built in: %s", (fault) => {
    expect(search(pullLive(fault, ROOMY)).wrong?.what).toMatch(/a gap|a repeat|stuck/);
  });
});
