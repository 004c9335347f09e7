import { expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { createBreaker } from "./breaker.js";

function world() {
  const clock = fakeClock();
  return { clock, breaker: createBreaker(clock, 5, 300_000) };
}

test("opens at the fifth refusal in a row, not at the fourth, and tells it once", () => {
  const { breaker } = world();
  for (let at = 1; at < 5; at++) expect(breaker.refused()).toBe(false);
  expect(breaker.room(100)).toBe(100);
  expect(breaker.refused()).toBe(true);
  expect(breaker.room(100)).toBe(0);
  // Those that were on their way come back refused too.
  expect(breaker.refused()).toBe(false);
  expect(breaker.waitMs()).toBe(300_000);
});

test("one that is taken in between begins the count anew", () => {
  const { breaker } = world();
  for (let at = 1; at < 5; at++) breaker.refused();
  breaker.accepted();
  for (let at = 1; at < 5; at++) expect(breaker.refused()).toBe(false);
  expect(breaker.refused()).toBe(true);
});

test("lets one try after five minutes: it closes when that is taken, and opens again when it is refused", () => {
  const { clock, breaker } = world();
  for (let at = 1; at <= 5; at++) breaker.refused();
  clock.advance(299_999);
  expect(breaker.room(100)).toBe(0);
  clock.advance(1);
  expect(breaker.room(100)).toBe(1);
  expect(breaker.refused()).toBe(true);
  expect(breaker.room(100)).toBe(0);
  clock.advance(300_000);
  breaker.accepted();
  expect(breaker.room(100)).toBe(100);
  expect(breaker.waitMs()).toBe(0);
});
