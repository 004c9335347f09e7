import type { LogState } from "../../server/src/ports.js";
import { generationAt, refusalOf } from "../../server/src/store/log.js";
import type { Machine } from "./search.js";

/** What is on a disk: each event by a number of its own, in the order of positions, and the generations. */
export interface Disk {
  events: number[];
  generations: { generationId: string; firstPos: number }[];
  floor: number;
}

/** A cursor that some client holds, with the events it has seen. */
export interface Held {
  pos: number;
  generationId: string;
  seen: number[];
}

export interface History {
  disk: Disk;
  backup: Disk | undefined;
  /** This process has written an event of its own. */
  begun: boolean;
  made: number;
  cursors: Held[];
  /** How often each thing may still happen. */
  left: Record<"write" | "start" | "lose" | "backup" | "restore" | "trim", number>;
}

/** A fault that somebody might build in; the search must find each. */
export type GenerationFault = "generation ignored" | "one past the end accepted" | "no new generation after a crash";

/** All histories of a log with so many happenings. The rules for cursors are the server's own. */
export function generations(left: History["left"], fault?: GenerationFault): Machine<History> {
  const rule = fault === undefined || fault === "no new generation after a crash" ? refusalOf : brokenRule(fault);

  const write = (s: History) => {
    // As the committer does it: a process begins its generation with its first event.
    if (!s.begun && fault !== "no new generation after a crash")
      s.disk.generations.push({ generationId: `g${s.made}`, firstPos: s.disk.events.length + 1 });
    s.begun = true;
    s.disk.events.push(s.made++);
    const pos = s.disk.events.length;
    s.cursors.push({ pos, generationId: generationAt(stateOf(s.disk), pos), seen: [...s.disk.events] });
  };

  /** A crash that loses the newest events loses the generations that were stored with them. */
  const lose = (s: History, count: number) => {
    s.disk.events.splice(-count);
    s.disk.generations = s.disk.generations.filter(({ firstPos }) => firstPos <= s.disk.events.length);
    s.begun = false;
  };

  const trim = (s: History) => {
    s.disk.floor++;
    const kept = s.disk.generations.findLast(({ firstPos }) => firstPos <= s.disk.floor)?.firstPos ?? 0;
    s.disk.generations = s.disk.generations.filter(({ firstPos }) => firstPos >= kept);
  };

  const steps: [name: string, kind: keyof History["left"], can: (s: History) => boolean, step: (s: History) => void][] =
    [
      ["write", "write", () => true, write],
      [
        "start",
        "start",
        (s) => s.begun,
        (s) => {
          s.begun = false;
        },
      ],
      ["lose 1", "lose", ({ disk }) => disk.events.length > disk.floor, (s) => lose(s, 1)],
      ["lose 2", "lose", ({ disk }) => disk.events.length > disk.floor + 1, (s) => lose(s, 2)],
      [
        "backup",
        "backup",
        () => true,
        (s) => {
          s.backup = copyDisk(s.disk);
        },
      ],
      [
        "restore",
        "restore",
        (s) => s.backup !== undefined,
        (s) => {
          if (s.backup !== undefined) s.disk = copyDisk(s.backup);
          s.begun = false;
        },
      ],
      ["trim", "trim", ({ disk }) => disk.events.length > disk.floor, trim],
    ];

  return {
    start: {
      disk: { events: [], generations: [{ generationId: "first", firstPos: 0 }], floor: 0 },
      backup: undefined,
      begun: true,
      made: 0,
      cursors: [{ pos: 0, generationId: "first", seen: [] }],
      left,
    },
    *next(state) {
      for (const [name, kind, can, step] of steps) {
        if (state.left[kind] === 0 || !can(state)) continue;
        const after: History = {
          ...state,
          disk: copyDisk(state.disk),
          cursors: [...state.cursors],
          left: { ...state.left, [kind]: state.left[kind] - 1 },
        };
        step(after);
        yield [name, after];
      }
    },
    wrong({ disk, cursors }) {
      for (const cursor of cursors) {
        const refused = rule(stateOf(disk), cursor) !== undefined;
        if (refused === mustBeRefused(disk, cursor)) continue;
        return refused ? "a needless resync" : "a stale cursor accepted";
      }
      return undefined;
    },
    mayEnd: () => true,
  };
}

/** Whoever has seen what is no longer there, or may have missed what retention took. */
export function mustBeRefused(disk: Disk, { pos, seen }: Held): boolean {
  return pos < disk.floor || seen.some((event, at) => disk.events[at] !== event);
}

const stateOf = ({ events, floor, generations }: Disk): LogState => ({ head: events.length, floor, generations });
const copyDisk = (disk: Disk): Disk => ({ ...disk, events: [...disk.events], generations: [...disk.generations] });

function brokenRule(fault: "generation ignored" | "one past the end accepted"): typeof refusalOf {
  return (state, place) => {
    if (place.pos < state.floor) return "expired";
    const at = state.generations.findIndex(({ generationId }) => generationId === place.generationId);
    const end = state.generations[at + 1]?.firstPos;
    if (fault === "generation ignored") return place.pos <= state.head ? undefined : "history_changed";
    return at >= 0 && place.pos <= (end ?? state.head) ? undefined : "history_changed";
  };
}
