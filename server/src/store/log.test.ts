import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogState } from "../ports.js";
import { generationAt, refusalOf } from "./log.js";

/** What is on the disk: the events by position, and the generations. */
interface Disk {
  events: string[];
  generations: { generationId: string; firstPos: number }[];
  /** Set by the first event of a process. */
  begun: boolean;
}

type Step =
  | { do: "write"; count: number }
  | { do: "start" }
  | { do: "lose"; count: number }
  | { do: "backup" }
  | { do: "restore"; which: number }
  | { do: "trim"; share: number };

const step = (weights: Record<Step["do"], number>): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: weights.write,
      arbitrary: fc.record({ do: fc.constant("write"), count: fc.integer({ min: 0, max: 4 }) }),
    },
    { weight: weights.start, arbitrary: fc.record({ do: fc.constant("start") }) },
    { weight: weights.lose, arbitrary: fc.record({ do: fc.constant("lose"), count: fc.integer({ min: 0, max: 6 }) }) },
    { weight: weights.backup, arbitrary: fc.record({ do: fc.constant("backup") }) },
    { weight: weights.restore, arbitrary: fc.record({ do: fc.constant("restore"), which: fc.nat(9) }) },
    { weight: weights.trim, arbitrary: fc.record({ do: fc.constant("trim"), share: fc.nat(100) }) },
  );

/** Runs a history and calls `check` after each step with every cursor that was ever handed out and the log its holder saw up to it. */
function play(steps: readonly Step[], check: (state: LogState, disk: Disk, cursor: Cursor) => void): void {
  let made = 0;
  let disk: Disk = { events: [], generations: [{ generationId: "g0", firstPos: 0 }], begun: true };
  let floor = 0;
  const copy = (from: Disk): Disk => ({ ...from, events: [...from.events], generations: [...from.generations] });
  const backups: { disk: Disk; floor: number }[] = [];
  const cursors: Cursor[] = [];
  const stateOf = (): LogState => ({ head: disk.events.length, floor, generations: disk.generations });
  const handOut = () => {
    const pos = disk.events.length;
    cursors.push({ pos, generationId: generationAt(stateOf(), pos), seen: disk.events.slice(0, pos) });
  };
  handOut();
  for (const next of steps) {
    if (next.do === "write")
      for (let i = 0; i < next.count; i++) {
        // As the committer does it: a process begins its generation with its first event.
        if (!disk.begun) disk.generations.push({ generationId: `g${++made}`, firstPos: disk.events.length + 1 });
        disk.begun = true;
        disk.events.push(`e${++made}`);
        handOut();
      }
    else if (next.do === "start") disk.begun = false;
    else if (next.do === "lose") {
      // A crash that loses the newest events loses the generations that were stored with them.
      disk.events.length = Math.max(floor, disk.events.length - next.count);
      const head = disk.events.length;
      disk.generations = disk.generations.filter((generation) => generation.firstPos <= head);
      disk.begun = false;
    } else if (next.do === "backup") backups.push({ disk: copy(disk), floor });
    else if (next.do === "restore") {
      const backup = backups[next.which % Math.max(1, backups.length)];
      if (backup !== undefined) {
        disk = { ...copy(backup.disk), begun: false };
        floor = backup.floor;
      }
    } else {
      floor += Math.floor(((disk.events.length - floor) * next.share) / 100);
      const kept = disk.generations.findLast((generation) => generation.firstPos <= floor);
      disk.generations = disk.generations.filter(({ firstPos }) => firstPos >= (kept?.firstPos ?? 0));
    }
    for (const cursor of cursors) check(stateOf(), disk, cursor);
  }
}

interface Cursor {
  pos: number;
  generationId: string;
  seen: string[];
}

const sawLostEvents = (disk: Disk, cursor: Cursor) => cursor.seen.some((event, at) => disk.events[at] !== event);

describe("generations", () => {
  test("over crashes that lose a tail and restores of backups, exactly those who saw lost events are refused", () => {
    const steps = fc.array(step({ write: 8, start: 3, lose: 3, backup: 2, restore: 2, trim: 0 }), {
      maxLength: 30,
      size: "max",
    });
    let [stale, fresh] = [0, 0];
    fc.assert(
      fc.property(steps, (history) =>
        play(history, (state, disk, cursor) => {
          const refused = refusalOf(state, cursor) !== undefined;
          if (refused !== sawLostEvents(disk, cursor))
            expect.fail(refused ? "needless resync" : "stale cursor accepted");
          if (refused) stale++;
          else fresh++;
        }),
      ),
      { numRuns: 400 },
    );
    expect(Math.min(stale, fresh)).toBeGreaterThan(1000);
  });

  test("with retention between, nobody who may have missed something is let on", () => {
    const steps = fc.array(step({ write: 8, start: 3, lose: 2, backup: 1, restore: 1, trim: 3 }), {
      maxLength: 30,
      size: "max",
    });
    fc.assert(
      fc.property(steps, (history) =>
        play(history, (state, disk, cursor) => {
          const expected = cursor.pos < state.floor || sawLostEvents(disk, cursor);
          const refused = refusalOf(state, cursor) !== undefined;
          if (refused !== expected) expect.fail(refused ? "needless resync" : "stale cursor accepted");
        }),
      ),
      { numRuns: 400 },
    );
  });

  test("the rule at its edges", () => {
    const state: LogState = {
      head: 20,
      floor: 5,
      generations: [
        { generationId: "a", firstPos: 0 },
        { generationId: "b", firstPos: 11 },
      ],
    };
    expect(refusalOf(state, { generationId: "a", pos: 4 })).toBe("expired");
    expect(refusalOf(state, { generationId: "a", pos: 5 })).toBeUndefined();
    expect(refusalOf(state, { generationId: "a", pos: 10 })).toBeUndefined();
    expect(refusalOf(state, { generationId: "a", pos: 11 })).toBe("history_changed");
    expect(refusalOf(state, { generationId: "b", pos: 20 })).toBeUndefined();
    expect(refusalOf(state, { generationId: "b", pos: 21 })).toBe("history_changed");
    expect(refusalOf(state, { generationId: "c", pos: 10 })).toBe("history_changed");
    expect(generationAt(state, 10)).toBe("a");
    expect(generationAt(state, 11)).toBe("b");
  });
});
