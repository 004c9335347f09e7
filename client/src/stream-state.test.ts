import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CloseReason,
  initialState,
  type StateName,
  type StreamEffect,
  type StreamEvent,
  type StreamState,
  transition,
} from "./stream-state.js";

const base = { attempt: 3, failures: 1, tries: 1, limit: 2, held: false };
const closed = (reason: CloseReason): StreamState => ({ ...base, name: "closed", reason });

/** The rows of the table in SPEC.md. */
const states: Record<string, StreamState> = {
  stopped: { ...base, name: "stopped" },
  connecting: { ...base, name: "connecting" },
  replaying: { ...base, name: "replaying" },
  live: { ...base, name: "live" },
  waiting: { ...base, name: "waiting" },
  paused: { ...base, held: true, name: "paused", inner: "live" },
  "closed(replaced)": closed("replaced"),
  "closed(refused)": closed("refused"),
  "closed(gave_up)": closed("gave_up"),
  "closed(session_rejected)": closed("session_rejected"),
  "closed(shut_down)": closed("shut_down"),
};

/** The columns of the table in SPEC.md. */
const events: Record<string, StreamEvent> = {
  start: { type: "start" },
  stop: { type: "stop" },
  shut_down: { type: "shut_down" },
  pause: { type: "pause" },
  resume: { type: "resume" },
  connect: { type: "connect" },
  waited: { type: "waited" },
  started: { type: "frame", attempt: 3, frame: "started" },
  "other frame": { type: "frame", attempt: 3, frame: "event" },
  caught_up: { type: "frame", attempt: 3, frame: "caught_up" },
  lost: { type: "lost", attempt: 3 },
  "lost, no try left": { type: "lost", attempt: 3 },
  refused: { type: "refused", attempt: 3, reason: "refused" },
  rejected: { type: "rejected" },
  steady: { type: "steady", attempt: 3 },
};

function label(state: StreamState): string {
  return state.name === "closed" ? `closed(${state.reason})` : state.name;
}

function move(row: string, column: string): StreamState {
  const state = states[row] as StreamState;
  const tries = column === "lost, no try left" ? state.limit : state.tries;
  return transition({ ...state, tries }, events[column] as StreamEvent).state;
}

/** The tables of SPEC.md, header first, each cell without its decoration. */
function specTable(): string[][] {
  const spec = readFileSync(new URL("../SPEC.md", import.meta.url), "utf8");
  const lines = spec.split("\n").filter((line) => /^\| (?:event|`)/.test(line));
  return lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.replaceAll("`", "").trim()),
  );
}

describe("the table of SPEC.md", () => {
  const [header = [], ...rows] = specTable();

  it("names every state and every event", () => {
    expect(header.slice(1)).toEqual(Object.keys(states));
    expect(rows.map(([name]) => name)).toEqual(Object.keys(events));
  });

  it("is what the machine does", () => {
    const actual = Object.keys(events).map((column) => [
      column,
      ...Object.keys(states).map((row) => {
        const next = label(move(row, column));
        return next === row ? "·" : next;
      }),
    ]);
    expect(rows).toEqual(actual);
  });
});

/** Any event, of an attempt near the present one. */
const anyEvent: fc.Arbitrary<StreamEvent> = fc.oneof(
  fc
    .constantFrom("start", "stop", "pause", "resume", "connect", "waited", "rejected", "shut_down")
    .map((type) => ({ type }) as StreamEvent),
  fc.record({
    type: fc.constant("frame" as const),
    attempt: fc.nat(12),
    frame: fc.constantFrom("started", "event", "caught_up", "heartbeat", "resync_required", "unknown"),
  }),
  fc.record({ type: fc.constant("lost" as const), attempt: fc.nat(12) }),
  fc.record({
    type: fc.constant("refused" as const),
    attempt: fc.nat(12),
    reason: fc.constantFrom("replaced" as const, "refused" as const),
  }),
  fc.record({ type: fc.constant("steady" as const), attempt: fc.nat(12) }),
);

/** What a world outside would see of the effects: the attempts that are open, and whether a wait runs. */
function createWorld() {
  const open = new Set<number>();
  let waiting = false;
  return {
    open,
    isWaiting: () => waiting,
    carryOut(effect: StreamEffect) {
      if (effect.type === "open") open.add(effect.attempt);
      if (effect.type === "abort") open.delete(effect.attempt);
      if (effect.type === "wait") waiting = true;
      if (effect.type === "cancel_wait") waiting = false;
    },
    /** A wait that is over does not run any more. */
    hear(event: StreamEvent) {
      if (event.type === "waited") waiting = false;
    },
  };
}

/** Runs random events and checks `holds` after each. */
function always(
  holds: (step: {
    before: StreamState;
    event: StreamEvent;
    after: StreamState;
    effects: readonly StreamEffect[];
    world: ReturnType<typeof createWorld>;
  }) => void,
): void {
  fc.assert(
    fc.property(fc.constantFrom(0, 1, 3, Infinity), fc.array(anyEvent, { maxLength: 60 }), (limit, history) => {
      const world = createWorld();
      let state = initialState(limit);
      for (const event of [{ type: "start" } as const, ...history]) {
        const before = state;
        world.hear(event);
        const step = transition(state, event);
        state = step.state;
        for (const effect of step.effects) world.carryOut(effect);
        holds({ before, event, after: state, effects: step.effects, world });
      }
    }),
    { numRuns: 1000 },
  );
}

const streaming: ReadonlySet<StateName> = new Set<StateName>(["connecting", "replaying", "live"]);

describe("the machine, whatever happens", () => {
  it("S1: has one attempt open in connecting, replaying and live, and none elsewhere", () => {
    always(({ after, world }) => {
      expect([...world.open]).toEqual(streaming.has(after.name) ? [after.attempt] : []);
    });
  });

  it("S2: waits in the state waiting and only there", () => {
    always(({ after, world, event }) => {
      if (event.type !== "waited") expect(world.isWaiting()).toBe(after.name === "waiting");
    });
  });

  it("S3: numbers attempts upwards, each once", () => {
    always(({ before, after, effects }) => {
      const opened = effects.filter(({ type }) => type === "open").length;
      expect(after.attempt).toBe(before.attempt + opened);
    });
  });

  it("S4: drops what carries the number of another attempt", () => {
    always(({ before, event, after, effects }) => {
      if ("attempt" in event && event.attempt !== before.attempt) {
        expect(after).toEqual(before);
        expect(effects).toEqual([]);
      }
    });
  });

  it("S5: applies frames in replaying and live only, and started first", () => {
    always(({ before, event, effects }) => {
      if (!effects.some(({ type }) => type === "apply")) return;
      expect(event.type).toBe("frame");
      if (before.name === "connecting") expect(event).toHaveProperty("frame", "started");
      else expect(["replaying", "live"]).toContain(before.name);
    });
  });

  it("S6: opens nothing while held", () => {
    always(({ before, event, effects }) => {
      const held = event.type === "resume" ? false : before.held || event.type === "pause";
      if (held) expect(effects.some(({ type }) => type === "open")).toBe(false);
    });
  });

  it("S7: remembers being held through every state", () => {
    always(({ before, event, after }) => {
      const held = event.type === "pause" ? true : event.type === "resume" ? false : before.held;
      expect(after.held).toBe(held);
    });
  });

  it("S8: is shut down for ever", () => {
    always(({ before, after, effects }) => {
      if (before.name !== "closed" || before.reason !== "shut_down") return;
      expect(label(after)).toBe("closed(shut_down)");
      expect(effects).toEqual([]);
    });
  });

  it("S9: leaves closed(session_rejected) by a new login, a logout or the end only", () => {
    always(({ before, event, after }) => {
      if (before.name !== "closed" || before.reason !== "session_rejected" || after.name === "closed") return;
      expect(["start", "stop"]).toContain(event.type);
    });
  });

  it("S10: never tries more often in a row than allowed", () => {
    always(({ after }) => {
      if (after.name !== "closed") expect(after.tries).toBeLessThanOrEqual(after.limit);
    });
  });

  it("S11: takes a resume or a connect of a working stream for nothing", () => {
    always(({ before, event, after, effects }) => {
      if (!streaming.has(before.name) || (event.type !== "resume" && event.type !== "connect")) return;
      expect(after).toEqual(before);
      expect(effects).toEqual([]);
    });
  });
});

describe("the back-off's memory", () => {
  const live: StreamState = { ...base, limit: Infinity, name: "live" };

  it("S12: grows with each loss and is cleared by a steady stream or a new start only", () => {
    always(({ before, event, after }) => {
      if (after.failures >= before.failures) return;
      expect(["steady", "start", "stop", "connect"]).toContain(event.type);
    });
  });

  it("passes the server's delay on", () => {
    const { effects } = transition(live, { type: "lost", attempt: 3, retryDelayMs: 700 });
    expect(effects).toContainEqual({ type: "wait", failures: 2, retryDelayMs: 700 });
  });

  it("keeps its count over a pause, so that pausing is no way round the wait", () => {
    const paused = transition({ ...live, name: "waiting", failures: 5 }, { type: "pause" }).state;
    expect(transition(paused, { type: "resume" }).state).toMatchObject({ name: "connecting", failures: 5 });
  });
});
