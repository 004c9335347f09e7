import { expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { createHandOvers } from "./hand-overs.js";

const world = () => {
  const clock = fakeClock();
  return { clock, handOvers: createHandOvers(clock, 3_000) };
};
const isOver = async (promise: Promise<unknown>) =>
  await Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))]);

test("what began before is withdrawn, of this installation of this app alone, and what begins after is not", () => {
  const { handOvers } = world();
  const before = handOvers.begin("a", "i");
  const others = [handOvers.begin("a", "j"), handOvers.begin("b", "i")];
  handOvers.withdraw("a", "i");
  expect(before.withdrawn).toBe(true);
  expect(others.map(({ withdrawn }) => withdrawn)).toEqual([false, false]);
  expect(handOvers.begin("a", "i").withdrawn).toBe(false);
});

test("a withdrawal waits for what the provider was asked already, and for nothing else", async () => {
  const { handOvers } = world();
  expect(await isOver(handOvers.settled("a", "i"))).toBe(true);
  let answer = (_: unknown) => {};
  const sending = handOvers.begin("a", "i");
  sending.sending(new Promise((resolve) => (answer = resolve)));
  const reading = handOvers.begin("a", "i");
  handOvers.withdraw("a", "i");
  // It will see that it is withdrawn.
  void reading;
  const settled = handOvers.settled("a", "i");
  expect(await isOver(settled)).toBe(false);
  // The phone may be somebody else's by now, whose pushes are none of this.
  handOvers.begin("a", "i").sending(new Promise(() => {}));
  answer(undefined);
  expect(await isOver(settled)).toBe(true);
});

test("not for ever: a provider that hangs holds a logout up for 3 s", async () => {
  const { clock, handOvers } = world();
  handOvers.begin("a", "i").sending(new Promise(() => {}));
  handOvers.withdraw("a", "i");
  const settled = handOvers.settled("a", "i");
  clock.advance(2_999);
  expect(await isOver(settled)).toBe(false);
  clock.advance(1);
  expect(await isOver(settled)).toBe(true);
});

test("nothing is kept of what is over, however it ended", async () => {
  const { clock, handOvers } = world();
  const way = handOvers.begin("a", "i");
  way.sending(Promise.reject(new Error("broken")).finally(() => {}));
  handOvers.withdraw("a", "i");
  expect(await isOver(handOvers.settled("a", "i"))).toBe(true);
  way.end();
  expect(await isOver(handOvers.settled("a", "i"))).toBe(true);
  expect(clock.pending).toBe(0);
});
