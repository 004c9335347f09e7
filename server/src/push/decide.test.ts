import { describe, expect, test } from "vitest";
import type { Standing } from "../ports.js";
import { attendanceOf, decide, type StoredSession } from "./decide.js";

const POS = 10;
const START_MS = 1_000;
const CLIENTS: readonly Standing["client"][] = ["receiving", "awaited", "away", "unseen"];
const session = (sessionId: string, rest: Partial<StoredSession> = {}): StoredSession => ({
  sessionId,
  ackedPos: 0,
  createMs: 0,
  ...rest,
});
const attend = (standings: readonly Standing[], rest: Partial<StoredSession> = {}) =>
  attendanceOf(
    standings.map((_, at) => session(String(at), rest)),
    (id) => standings[Number(id)] as Standing,
    POS,
    START_MS,
  );
const at = (client: Standing["client"], ackedPos = 0): Standing => ({ client, ackedPos });

describe("how a user stands to a message", () => {
  test.each(CLIENTS)(
    "whoever has acknowledged it, by a client that is %s, has it, whatever the other sessions do",
    (client) => {
      for (const other of CLIENTS) {
        expect(attend([at(client, POS), at(other)]).receipt).toBe("acknowledged");
        expect(attend([at(other), at(client, POS + 1)]).receipt).toBe("acknowledged");
        expect(attend([at(other), at(client, POS - 1)]).receipt).not.toBe("acknowledged");
      }
      expect(attend([at(client)], { ackedPos: POS }).receipt).toBe("acknowledged");
      expect(attend([at(client)], { ackedPos: POS - 1 }).receipt).not.toBe("acknowledged");
    },
  );

  test("the best of its sessions counts: receiving before awaited before away", () => {
    const rank = { receiving: 2, awaited: 1, unseen: 1, away: 0 };
    const receipts = ["away", "awaited", "receiving"];
    for (const one of CLIENTS)
      for (const two of CLIENTS)
        expect(attend([at(one), at(two)]).receipt, `${one}, ${two}`).toBe(receipts[Math.max(rank[one], rank[two])]);
    expect(attend([])).toEqual({ receipt: "away", comesBack: false, unheardMs: 0 });
  });

  test("who was here before the start and has not been seen may come back; who logged in since has nowhere to come back from", () => {
    expect(attend([at("unseen")])).toMatchObject({ receipt: "awaited", comesBack: true });
    expect(attend([at("unseen")], { createMs: START_MS })).toMatchObject({ receipt: "away", comesBack: false });
    expect(attend([at("away"), at("unseen")]).comesBack).toBe(true);
    expect(attend([at("awaited")]).comesBack).toBe(false);
  });
});

describe("what other nodes say", () => {
  const there = (client: Standing["client"], unheardMs: number): Standing => ({ client, ackedPos: 0, unheardMs });

  test("every node whose client may come back must be heard of, and one that serves is enough", () => {
    expect(attend([there("awaited", 5), there("awaited", 9), at("awaited")]).unheardMs).toBe(9);
    expect(attend([there("receiving", 5), there("receiving", 9)]).unheardMs).toBe(5);
    expect(attend([there("receiving", 5), at("receiving"), there("awaited", 9)]).unheardMs).toBe(0);
    expect(attend([there("awaited", 9), at("away")]).unheardMs).toBe(9);
  });
});

describe("the decision", () => {
  const moment = { saidMs: 5_000, nowMs: 5_000, bootLeftMs: -1, awaitMs: 3_000 };
  const here = { receipt: "awaited", comesBack: false, unheardMs: 0 } as const;

  test.each(["acknowledged", "receiving"] as const)("%s: never", (receipt) => {
    for (const nowMs of [5_000, 8_000, 1e9])
      expect(decide({ receipt, comesBack: false, unheardMs: 0 }, { ...moment, nowMs })).toBe("none");
  });

  test("away: at once, even while others come back after a start", () => {
    expect(decide({ receipt: "away", comesBack: false, unheardMs: 0 }, { ...moment, bootLeftMs: 15_000 })).toBe("push");
  });

  test("awaited: 3 s after it was said, and not a moment earlier", () => {
    expect(decide(here, moment)).toEqual({ waitMs: 3_000 });
    expect(decide(here, { ...moment, nowMs: 7_999 })).toEqual({ waitMs: 1 });
    expect(decide(here, { ...moment, nowMs: 8_000 })).toBe("push");
    expect(decide(here, { ...moment, nowMs: 7_999, bootLeftMs: 10_000 })).toEqual({ waitMs: 1 });
  });

  test("awaited after a start: not before everybody had the time to come back", () => {
    const back = { receipt: "awaited", comesBack: true, unheardMs: 0 } as const;
    expect(decide(back, { ...moment, bootLeftMs: 10_000 })).toEqual({ waitMs: 10_000 });
    expect(decide(back, { ...moment, nowMs: 9_000, bootLeftMs: 1 })).toEqual({ waitMs: 1 });
    expect(decide(back, { ...moment, nowMs: 9_000, bootLeftMs: 0 })).toBe("push");
    expect(decide(back, { ...moment, bootLeftMs: 1_000 })).toEqual({ waitMs: 3_000 });
  });

  test("on another node: not before that node was heard of after the moment was over", () => {
    for (const [unheardMs, decision] of [
      [2_000, { waitMs: 1_000 }],
      [1_001, { waitMs: 1_000 }],
      [1_000, "push"],
      [0, "push"],
    ] as const)
      expect(decide({ ...here, unheardMs }, { ...moment, nowMs: 9_000 }), String(unheardMs)).toEqual(decision);
    // Its moment is not over yet.
    expect(decide({ ...here, unheardMs: 2_000 }, { ...moment, nowMs: 7_000 })).toEqual({ waitMs: 1_000 });
  });

  test("receiving on another node, by a client that never acknowledges: once that node was heard of after it was said", () => {
    const there = { receipt: "receiving", comesBack: false } as const;
    expect(decide({ ...there, unheardMs: 1_001 }, { ...moment, nowMs: 6_000 })).toEqual({ waitMs: 1_000 });
    expect(decide({ ...there, unheardMs: 1_000 }, { ...moment, nowMs: 6_000 })).toBe("none");
  });

  test("a clock that was set back makes nobody wait longer", () => {
    expect(decide(here, { ...moment, nowMs: 0 })).toEqual({ waitMs: 3_000 });
  });
});
