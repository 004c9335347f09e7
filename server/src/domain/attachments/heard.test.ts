import { expect, test } from "vitest";
import { fakeClock } from "../../../../test/support/fake-clock.js";
import type { Bus, BusListener } from "../../ports.js";
import { createHeardAttachments } from "./heard.js";

/** A bus on which everybody hears everything. */
function sharedBus(): Pick<Bus, "publishSignal" | "subscribe"> {
  const listeners: BusListener[] = [];
  return {
    publishSignal(signal) {
      for (const listener of listeners) listener.signal?.(signal, false);
    },
    subscribe: (listener) => void listeners.push(listener),
  };
}
const memory = (clock = fakeClock(), mostEntries = 100, bus = sharedBus()) =>
  createHeardAttachments({ bus, clock, lifeMs: 1000, mostEntries });

test("what was heard is known for its time, of its app alone, and anew when it is heard again", () => {
  const clock = fakeClock();
  const heard = memory(clock);
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
  const heard = memory(fakeClock(), 4);
  heard.keep("a", "x", ["u:1", "u:2"]);
  heard.keep("a", "y", ["u:1", "u:2"]);
  expect(heard.find("a", "x")).toHaveLength(2);
  heard.keep("a", "z", ["u:1"]);
  expect(["x", "y", "z"].map((id) => heard.find("a", id).length)).toEqual([0, 2, 1]);
});

test("what one node heard is known on the others", () => {
  const [clock, bus] = [fakeClock(), sharedBus()];
  const [one, other] = [memory(clock, 100, bus), memory(clock, 100, bus)];
  one.keep("a", "x", ["u:tom"]);
  expect([one.find("a", "x"), other.find("a", "x")]).toEqual([["u:tom"], ["u:tom"]]);
  bus.publishSignal({ appId: "a", kind: "attachment_heard", attachmentId: 1, audiences: "u:ann" });
  expect(other.find("a", "x")).toEqual(["u:tom"]);
});
