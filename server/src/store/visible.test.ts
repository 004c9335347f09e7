import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tempStore } from "../../../test/support/temp-store.js";
import type { Tx } from "./committer.js";
import { readVisible } from "./log.js";
import { endStays, insertMembers } from "./members.js";
import { trimLog } from "./retention.js";

const emit = (tx: Tx, audiences: string[]) => tx.emit({ kind: 1, payload: Buffer.from("x"), audiences });

describe("readVisible", () => {
  test("read in chunks of any size, it gives each event that the reader may see once and in order, and no other", async () => {
    await using temp = await tempStore();
    const audiences = fc.uniqueArray(fc.constantFrom("*", "u:tom", "u:ann", "s:1", "s:2", "g:a", "g:b"), {
      minLength: 1,
    });
    const step = fc.oneof(
      { weight: 6, arbitrary: audiences },
      { weight: 1, arbitrary: fc.constantFrom("in a", "out a", "in b", "out b") },
    );
    let apps = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40, size: "max" }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(20),
        fc.nat(20),
        async (steps, limit, createdPos, start) => {
          const appId = `app${++apps}`;
          const expected: number[] = [];
          const inside = new Set<string>();
          await temp.committer.run(appId, async (tx) => {
            for (const next of steps) {
              const seen = (at: readonly string[]) => at.some((a) => ["*", "u:tom", "s:1", ...inside].includes(a));
              if (typeof next === "string") {
                const [change, group] = next.split(" ");
                const place = `g:${group}`;
                if (change === "in" && !inside.has(place)) {
                  inside.add(place);
                  const pos = emit(tx, [place]);
                  await insertMembers(tx, place, pos, [{ userId: "tom", role: 1 }]);
                  expected.push(pos);
                } else if (change === "out" && inside.has(place)) {
                  inside.delete(place);
                  // By the place alone, one who leaves does not see the event of it.
                  await endStays(tx, place, ["tom"], emit(tx, [place]));
                }
              } else {
                const pos = emit(tx, next);
                if (seen(next)) expected.push(pos);
              }
            }
          });
          const head = temp.ranges.at(-1)?.appId === appId ? (temp.ranges.at(-1)?.events.at(-1)?.pos ?? 0) : 0;
          const reader = { userId: "tom", sessionId: "1", createdPos };
          const read: number[] = [];
          for (let pos = start; pos < head; ) {
            const chunk = await readVisible(temp.store.read, appId, reader, pos, head, limit);
            if (chunk === "expired") return expect.fail("expired");
            expect(chunk.upTo).toBeGreaterThan(pos);
            expect(chunk.events.length).toBeLessThanOrEqual(limit);
            read.push(...chunk.events.map((event) => event.pos));
            pos = chunk.upTo;
          }
          expect(read).toEqual(expected.filter((pos) => pos > Math.max(start, createdPos)));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a reader in more places than one statement asks for misses nothing either", async () => {
    await using temp = await tempStore();
    const places = Array.from({ length: 600 }, (_, at) => `g:${at}`);
    const expected: number[] = [];
    await temp.committer.run("a", async (tx) => {
      for (const place of places) await insertMembers(tx, place, 0, [{ userId: "tom", role: 1 }]);
      // Runs of one part of the places after the other, and events for many of them at once.
      for (let at = 0; at < 400; at++) {
        const mine = [places[(at * 7) % 300], places[300 + ((at * 11) % 300)], ...(at % 50 === 0 ? places : [])];
        const audiences = at % 3 === 0 ? ["g:other"] : [...new Set(mine)].map(String);
        const pos = emit(tx, audiences);
        if (at % 3 !== 0) expected.push(pos);
      }
    });
    const reader = { userId: "tom", sessionId: "1", createdPos: 0 };
    const read: number[] = [];
    for (let pos = 0; pos < 400; ) {
      const chunk = await readVisible(temp.store.read, "a", reader, pos, 400, 5);
      if (chunk === "expired") return expect.fail("expired");
      expect(chunk.upTo).toBeGreaterThan(pos);
      read.push(...chunk.events.map((event) => event.pos));
      pos = chunk.upTo;
    }
    expect(read).toEqual(expected);
  });

  test("looks at a bounded window of positions, so that a quiet reader of a busy app is no burden", async () => {
    await using temp = await tempStore();
    await temp.committer.run("a", async (tx) => {
      for (let i = 0; i < 12_000; i++) emit(tx, ["u:ann"]);
      emit(tx, ["u:tom"]);
    });
    const reader = { userId: "tom", sessionId: undefined, createdPos: 0 };
    const windows: number[] = [];
    for (let pos = 0; pos < 12_001; ) {
      const chunk = await readVisible(temp.store.read, "a", reader, pos, 12_001, 200);
      if (chunk === "expired") return expect.fail("expired");
      pos = chunk.upTo;
      windows.push(pos);
    }
    expect(windows).toEqual([5_000, 10_000, 12_001]);
  });

  test("retention that passes at whatever moment of a read is told, never a hole", async () => {
    await using temp = await tempStore();
    const reader = { userId: "tom", sessionId: undefined, createdPos: 0 };
    let [complete, expired] = [0, 0];
    for (let delay = 0; delay < 120; delay++) {
      const appId = `a${delay}`;
      await temp.committer.run(appId, async (tx) => {
        for (let i = 0; i < 3; i++) emit(tx, ["u:tom"]);
      });
      let reading: ReturnType<typeof readVisible> | undefined;
      await temp.committer.run(appId, async (tx) => {
        // So many ticks into the transaction the read begins, and goes on beside it.
        reading = (async () => {
          for (let tick = 0; tick < delay; tick++) await Promise.resolve();
          return await readVisible(temp.store.read, appId, reader, 0, 3, 10);
        })();
        await trimLog(tx, Number.POSITIVE_INFINITY, 2, new Set());
      });
      const chunk = await reading;
      if (chunk === "expired") expired++;
      else {
        const read = chunk?.events.map((event) => event.pos);
        expect(read, `a read that begins ${delay} ticks into it`).toEqual([1, 2, 3]);
        complete++;
      }
    }
    expect(Math.min(complete, expired)).toBeGreaterThan(5);
  });
});
