import { expect, test } from "vitest";
import { fakeClock } from "../../../../test/support/fake-clock.js";
import { createHeardAttachments } from "./heard.js";

test("what was heard is known for its time, of its app alone, and anew when it is heard again", () => {
  const clock = fakeClock();
  const heard = createHeardAttachments(clock, 1000, 100);
  heard.keep("a", "x", ["u:tom", "u:ann"]);
  clock.advance(600);
  heard.keep("a", "x", ["u:ann", "r:den"]);
  expect(heard.find("a", "x").sort()).toEqual(["r:den", "u:ann", "u:tom"]);
  expect([heard.find("b", "x"), heard.find("a", "y")]).toEqual([[], []]);
  clock.advance(400);
  expect(heard.find("a", "x").sort()).toEqual(["r:den", "u:ann"]);
  clock.advance(600);
  expect(heard.find("a", "x")).toEqual([]);
});

test("at its limit and one past it: the oldest attachment is forgotten", () => {
  const heard = createHeardAttachments(fakeClock(), 1000, 4);
  heard.keep("a", "x", ["u:1", "u:2"]);
  heard.keep("a", "y", ["u:1", "u:2"]);
  expect(heard.find("a", "x")).toHaveLength(2);
  heard.keep("a", "z", ["u:1"]);
  expect(["x", "y", "z"].map((id) => heard.find("a", id).length)).toEqual([0, 2, 1]);
});
