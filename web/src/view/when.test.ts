import { expect, test } from "vitest";
import { dayLabel, listLabel } from "./when.js";

const now = new Date(2026, 2, 10, 9, 30).getTime();
const at = (...parts: [number, number, number, number]) => new Date(...parts).getTime();

test("days are named from the reader's midnight, not by 24 hours", () => {
  expect(dayLabel(at(2026, 2, 10, 0), now)).toBe("Today");
  expect(dayLabel(at(2026, 2, 9, 23), now)).toBe("Yesterday");
  expect(dayLabel(at(2026, 2, 8, 23), now)).not.toMatch(/day$/);
  expect(dayLabel(at(2024, 2, 8, 23), now)).toContain("2024");
});

test("a list tells no time of what never happened", () => {
  expect(listLabel(0, now)).toBe("");
  expect(listLabel(at(2026, 2, 9, 1), now)).toBe("Yesterday");
  expect(listLabel(at(2026, 2, 10, 9), now)).toContain("9");
});
