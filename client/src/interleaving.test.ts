import fc, { type Scheduler } from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createScheduledWorld,
  type Move,
  type ScheduledWorld,
  USERS,
  type UserName,
} from "./testing/scheduled-world.js";
import { textOf } from "./testing/set-up.js";
import { sized } from "./testing/sized.js";

const common: readonly Move[] = ["talk", { send: 0 }, { send: 1 }, { pass: 600 }, { login: "Jerry" }];
const rare: readonly Move[] = [
  { pass: 1 },
  { pass: 30_000 },
  { pass: 60_000 },
  "cut",
  "end",
  "drain",
  "pause",
  "resume",
  { login: "Jerry" },
  { login: "Spike" },
  { restore: "Jerry" },
  { restore: "Spike" },
  "logout",
  "close",
  "crash",
  "revoke",
  "replace",
  "silence",
  "speak",
  "restore backup",
];

/** Each run knows a few of the rare moves only, and those it makes often: that reaches further than a little of everything. */
const story: fc.Arbitrary<Move[]> = fc
  .subarray([...rare], { minLength: 1, maxLength: 4 })
  .chain((some) =>
    fc.array(fc.constantFrom<Move>(...common, ...some, ...some), { minLength: 10, maxLength: 30, size: "max" }),
  );

/** Lets all that a step has made ready run. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

async function runAll(scheduler: Scheduler): Promise<void> {
  await settle();
  while (scheduler.count() > 0) {
    await scheduler.waitNext(1);
    await settle();
  }
}

/** Each move becomes one more thing that the scheduler may let happen next; `pace` tells how much of the rest may come before it. */
async function play(
  world: ScheduledWorld,
  scheduler: Scheduler,
  moves: readonly Move[],
  pace: () => number,
): Promise<number> {
  let steps = 0;
  let over = false;
  const make = async () => {
    for (const move of moves) {
      for (let turns = pace(); turns >= 0; turns--)
        await scheduler.schedule(Promise.resolve(), turns === 0 ? `move ${JSON.stringify(move)}` : "a moment");
      world.move(move);
    }
    over = true;
  };
  void make();
  for (; !over; steps++) {
    await scheduler.waitNext(1);
    await settle();
    expect(world.wrong).toEqual([]);
  }
  return steps;
}

/** Nothing fails any more: within bounded time the user is live and at the head, with nothing left to send. */
async function mustArrive(world: ScheduledWorld, scheduler: Scheduler, name: UserName): Promise<void> {
  const seen = () => {
    const { state, currentUser, messages } = world.client;
    const { applied, cursor } = world.keptOf(name);
    return { state: state.name, user: currentUser?.userId, applied, cursor, pending: messages.pending().length };
  };
  for (let round = 0; round < 12; round++) {
    await runAll(scheduler);
    world.move("talk");
    await runAll(scheduler);
    const head = world.server.log.length;
    const arrived = { state: "live", user: name, applied: head, cursor: String(head), pending: 0 };
    if (round === 11) expect(seen(), `where ${name} ends`).toEqual(arrived);
    if (JSON.stringify(seen()) === JSON.stringify(arrived)) return;
    world.move(wayBack(world, name));
    for (const ms of [30_000, 30_000]) {
      world.beat();
      await runAll(scheduler);
      world.pass(ms);
    }
  }
}

/** What an application does to have a user online. */
function wayBack({ client: { state, currentUser } }: ScheduledWorld, name: UserName): Move {
  const over = state.name === "stopped" || (state.name === "closed" && state.reason === "session_rejected");
  if (over) return { login: name };
  return currentUser?.userId === name ? "resume" : "logout";
}

function checkSends({ sends, server }: ScheduledWorld): void {
  const arrived = server.messages.map((message) => Number(textOf(message)));
  expect(new Set(arrived).size, "no message twice").toBe(arrived.length);
  const lanes = new Map<string, number>();
  for (const number of arrived) {
    const { user, peer } = sends[number] as (typeof sends)[number];
    const lane = `${user} to ${peer}`;
    expect(number, `order of ${lane}: ${arrived.join(" ")}`).toBeGreaterThan(lanes.get(lane) ?? -1);
    lanes.set(lane, number);
  }
  for (const { number, outcome, kept, givenUp } of sends) {
    const there = arrived.includes(number);
    if (outcome === "stored") expect(there, `send ${number} was acknowledged`).toBe(true);
    if (kept && !givenUp) expect(there, `send ${number} was kept, and ${outcome}`).toBe(true);
    if (outcome !== undefined) expect(["stored", "LOGGED_OUT", "NOT_LOGGED_IN", "CLOSED"]).toContain(outcome);
  }
}

const unhandled: unknown[] = [];
const note = (reason: unknown) => void unhandled.push(reason);

describe("M3: the SDK in every order of happenings", () => {
  beforeAll(() => void process.on("unhandledRejection", note));
  afterAll(() => void process.off("unhandledRejection", note));

  it(
    "loses, repeats and reorders nothing, tells nobody after logout, and always arrives",
    async (context) => {
      let [runs, steps, events, sends] = [0, 0, 0, 0];
      await fc.assert(
        fc.asyncProperty(
          fc.scheduler(),
          story,
          fc.boolean(),
          fc.infiniteStream(fc.nat(1000)),
          async (scheduler, moves, early, chances) => {
            const world = createScheduledWorld(scheduler, () => chances.next().value as number);
            world.move({ login: "Jerry" });
            if (early) await runAll(scheduler);
            steps += await play(world, scheduler, moves, () => (chances.next().value as number) % 8);
            world.heal();
            for (const name of USERS) await mustArrive(world, scheduler, name);
            world.move("logout");
            await runAll(scheduler);
            checkSends(world);
            expect(world.wrong).toEqual([]);
            expect([...world.values.keys()], "what is left in the store").toEqual([]);
            expect(unhandled).toEqual([]);
            runs++;
            events += world.server.log.length;
            sends += world.sends.length;
          },
        ),
        { numRuns: sized(300, 5000), endOnFailure: true },
      );
      console.log(runs, steps, events, sends);
      context.task.meta.figures = [
        `${runs} runs of ${steps} steps: ${events} events and ${sends} sends, 0 lost or doubled, 0 stuck`,
      ];
    },
    sized(120_000, 1_800_000),
  );
});
