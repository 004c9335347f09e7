import { expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { createKeeping } from "./keeping.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));

function createWorld() {
  const did: string[] = [];
  const doors: (() => void)[] = [];
  const clock = fakeClock();
  let fails = false;
  const duty = (name: string) => async () => {
    did.push(`${name}…`);
    await new Promise<void>((resolve) => doors.push(resolve));
    if (fails && name === "start") throw new Error("no");
    did.push(name);
  };
  const keeping = createKeeping({ start: duty("start"), stop: duty("stop") }, clock, () => did.push("failed"));
  const pass = async () => {
    doors.shift()?.();
    await turn();
  };
  return {
    did,
    clock,
    keeping,
    pass,
    fail(now: boolean) {
      fails = now;
    },
  };
}

test("the duties stop before they start again, whatever comes in between", async () => {
  const { did, keeping, pass } = createWorld();
  keeping.set(false);
  await keeping.settled();
  keeping.set(true);
  keeping.set(false);
  keeping.set(true);
  await pass();
  expect(did).toEqual(["start…", "start"]);
  keeping.set(false);
  keeping.set(true);
  await pass();
  await pass();
  expect(did.slice(2)).toEqual(["stop…", "stop", "start…", "start"]);
  keeping.set(false);
  await pass();
  await keeping.settled();
  expect(did.slice(6)).toEqual(["stop…", "stop"]);
});

test("what could not start is ended and tried again a second later", async () => {
  const { did, clock, keeping, pass, fail } = createWorld();
  fail(true);
  keeping.set(true);
  await pass();
  await pass();
  expect(did).toEqual(["start…", "failed", "stop…", "stop"]);
  fail(false);
  clock.advance(1_000);
  await turn();
  await pass();
  expect(did.slice(4)).toEqual(["start…", "start"]);
});
