import { describe, expect, test } from "vitest";
import { headersTooLarge } from "./guard.js";
import type { HttpLimits } from "./limits.js";

const limits = { maxHeaderListPairs: 3, maxHeaderBytes: 64 } as HttpLimits;

describe("headersTooLarge", () => {
  test("pairs: at the limit and one past it", () => {
    expect(headersTooLarge(Array(6).fill("a"), limits)).toBe(false);
    expect(headersTooLarge(Array(8).fill("a"), limits)).toBe(true);
  });

  test("bytes: at the limit and one past it, with the two separators of a line", () => {
    expect(headersTooLarge(["name", "v".repeat(64 - 4 - 4)], limits)).toBe(false);
    expect(headersTooLarge(["name", "v".repeat(64 - 4 - 3)], limits)).toBe(true);
  });
});
