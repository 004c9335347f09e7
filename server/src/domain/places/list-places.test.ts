import { expect, test } from "vitest";
import { countFitting } from "./list-places.js";

test.each([
  { counts: [], fit: 0 },
  { counts: [3, 3, 4], fit: 3 },
  { counts: [3, 3, 5], fit: 2 },
  { counts: [11, 1], fit: 1 },
])("of places with $counts members $fit fit a page of 10", ({ counts, fit }) => {
  const places = counts.map((member_count) => ({ member_count }));
  expect(countFitting(places, 10)).toBe(fit);
});
