import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogRange } from "../ports.js";
import { createHold } from "./hold.js";

const PAYLOAD = 10;
const AUDIENCE = "u:tom";

function rangeOf(first: number, last: number): LogRange {
  const events = Array.from({ length: last - first + 1 }, (_, at) => ({
    pos: first + at,
    kind: 1,
    payload: Buffer.alloc(PAYLOAD),
    audiences: [AUDIENCE],
  }));
  return { appId: "app", generationId: "00", generationFirstPos: 0, events };
}

const WIDE = { events: 100, bytes: 100_000 };
const span = (range: LogRange | undefined) => range && [range.events[0]?.pos, range.events.at(-1)?.pos];

describe("what came too early", () => {
  test("is given when its turn comes, by its positions", () => {
    const hold = createHold(WIDE);
    hold.put(rangeOf(7, 8));
    hold.put(rangeOf(3, 4));
    hold.put(rangeOf(5, 6));
    expect([hold.events, hold.farthest()]).toEqual([6, 8]);
    expect(hold.take(1)).toBeUndefined();
    expect([span(hold.take(2)), span(hold.take(4)), span(hold.take(6))]).toEqual([
      [3, 4],
      [5, 6],
      [7, 8],
    ]);
    expect(hold.events).toBe(0);
  });

  test("is forgotten when it is passed, and kept once when it is repeated", () => {
    const hold = createHold(WIDE);
    for (const _ of [1, 2]) hold.put(rangeOf(3, 4));
    hold.put(rangeOf(4, 4));
    hold.put(rangeOf(5, 9));
    expect(hold.events).toBe(7);
    expect(span(hold.take(6))).toEqual([5, 9]);
    expect(hold.events).toBe(0);
  });

  test("so many events, and so many bytes, and not one more", () => {
    const size = PAYLOAD + AUDIENCE.length;
    for (const hold of [createHold({ ...WIDE, events: 3 }), createHold({ ...WIDE, bytes: 3 * size })]) {
      hold.put(rangeOf(3, 5));
      expect(hold.events).toBe(3);
      hold.put(rangeOf(6, 6));
      expect([hold.events, hold.farthest()]).toEqual([3, 6]);
      expect(span(hold.take(2))).toEqual([3, 5]);
      hold.put(rangeOf(6, 8));
      expect(hold.events).toBe(3);
    }
  });

  test("is forgotten when the store does not hold it", () => {
    const hold = createHold(WIDE);
    hold.put(rangeOf(3, 4));
    hold.note(6);
    hold.forget(6);
    expect([hold.events, hold.farthest()]).toEqual([0, 0]);
    hold.put(rangeOf(3, 4));
    hold.put(rangeOf(8, 9));
    hold.forget(4);
    expect([hold.events, hold.farthest()]).toEqual([2, 9]);
  });

  test("counts right whatever comes and goes", () => {
    const pos = fc.integer({ min: 1, max: 20 });
    const step = fc.oneof(
      fc.record({ put: pos, length: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ take: pos }),
      fc.record({ forget: pos }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const hold = createHold({ events: 8, bytes: 8 * (PAYLOAD + AUDIENCE.length) });
        for (const one of steps) {
          if ("put" in one) hold.put(rangeOf(one.put, one.put + one.length - 1));
          else if ("take" in one) {
            const range = hold.take(one.take);
            if (range !== undefined) expect(span(range)?.[0]).toBeLessThanOrEqual(one.take + 1);
          } else hold.forget(one.forget);
          expect(hold.events).toBeLessThanOrEqual(8);
        }
        let left = hold.events;
        for (let range = hold.take(0); left > 0; range = hold.take(20 - left)) {
          if (range === undefined) {
            // Everything that is left lies further on.
            left = hold.events;
            hold.forget(20 + 4);
            expect(hold.events).toBe(0);
            return;
          }
          left = hold.events;
        }
        expect(hold.events).toBe(0);
      }),
    );
  });
});
