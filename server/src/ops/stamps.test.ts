import { expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { createStamps } from "./stamps.js";

const DAY_MS = 86_400_000;

test("stamps follow the wall clock ahead, and back by up to a day; beyond that they go on from before, until it is right", () => {
  const clock = fakeClock();
  const right = clock.now();
  const stamp = createStamps(clock);
  clock.setWall(right - DAY_MS);
  expect(stamp()).toBe(right - DAY_MS);
  clock.setWall(right);
  expect(stamp()).toBe(right);
  clock.setWall(right - DAY_MS - 1);
  expect(stamp()).toBe(right);
  clock.advance(5000);
  expect(stamp()).toBe(right + 5000);
  clock.setWall(right + 6000);
  expect(stamp()).toBe(right + 6000);
  clock.setWall(right + 400 * DAY_MS);
  expect(stamp()).toBe(right + 400 * DAY_MS);
});
