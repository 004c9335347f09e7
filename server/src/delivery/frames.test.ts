import { expect, test } from "vitest";
import { encodeEvent } from "./frames.js";

const CURSOR = "c".repeat(32);

test("an event is encoded once for each codec, however many streams take it", () => {
  const event = encodeEvent(1, 7, CURSOR, Buffer.alloc(0));
  const binary = event.frame("binary");
  expect(Array.from({ length: 500 }, () => event.frame("binary")).every((frame) => frame === binary)).toBe(true);
  const json = event.frame("json");
  expect(event.frame("json")).toBe(json);
});

test("a frame adds no more than its envelope, its cursor and the heads of both", () => {
  for (const size of [0, 100, 200, 4_000]) {
    const frame = encodeEvent(1, 7, CURSOR, Buffer.alloc(size)).frame("binary");
    expect(frame.length - size).toBeLessThanOrEqual(5 + 3 + 2 + CURSOR.length);
  }
});
