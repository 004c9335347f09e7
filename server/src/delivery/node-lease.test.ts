import { expect, test } from "vitest";
import { type FakeClock, fakeClock } from "../../../test/support/fake-clock.js";
import { tempStore } from "../../../test/support/temp-store.js";
import { createLeases, type Leases } from "../store/leases.js";
import type { Store } from "../store/store.js";
import { createNodeLease } from "./node-lease.js";

const times = { leaseMs: 10_000, leaseRenewMs: 3_000, leaseFenceMs: 8_000, leaseRetryMs: 500 };

/** Lets what was asked of the store be answered. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets time pass in steps in which the store answers. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    clock.advance(Math.min(500, left));
    await settle();
  }
}

async function startNode(store: Store, clock: FakeClock, id: string, databaseClock = clock.now) {
  const reality = createLeases(store, databaseClock);
  const node = { cut: false, told: [] as string[], lease: undefined as never as ReturnType<typeof createNodeLease> };
  const orFail = <T>(work: () => Promise<T>) => (node.cut ? Promise.reject(new Error("cut off")) : work());
  const leases: Leases = {
    take: (...which) => orFail(() => reality.take(...which)),
    renew: (...which) => orFail(() => reality.renew(...which)),
    end: (...which) => orFail(() => reality.end(...which)),
    list: reality.list,
    forget: reality.forget,
  };
  let names = 0;
  node.lease = createNodeLease({
    leases,
    clock,
    times,
    newId: () => `${id}${++names}`,
    onFenced: () => void node.told.push("fenced"),
    onRenewed: async () => undefined,
    onKeeping: (keeps) => void node.told.push(keeps ? "keeps" : "keeps no more"),
    onError: () => undefined,
  });
  await node.lease.start();
  return node;
}

test("a node that is cut off from the store for 8 s fences itself, and comes back under another name", async () => {
  await using temp = await tempStore();
  const clock = fakeClock();
  const node = await startNode(temp.store, clock, "a");
  expect([node.lease.node(), node.told]).toEqual(["a1", ["keeps"]]);
  await pass(clock, 60_000);
  expect([node.lease.node(), node.lease.keeps(), node.lease.ageMs()]).toEqual(["a1", true, 60_000]);
  node.cut = true;
  await pass(clock, 4_500);
  expect(node.lease.node()).toBe("a1");
  node.cut = false;
  await pass(clock, 1_000);
  expect([node.lease.node(), node.told]).toEqual(["a1", ["keeps"]]);
  node.cut = true;
  await pass(clock, 8_000);
  expect([node.lease.node(), node.lease.keeps()]).toEqual([undefined, false]);
  expect(node.told).toEqual(["keeps", "keeps no more", "fenced"]);
  node.cut = false;
  await pass(clock, 500);
  expect(node.lease.node()).toMatch(/^a[2-9]/);
  expect(node.lease.ageMs()).toBeLessThan(500);
  await node.lease.close();
});

test("a node that was frozen has lost all before it does anything more", async () => {
  await using temp = await tempStore();
  const [clock, frozen] = [fakeClock(), fakeClock()];
  const a = await startNode(temp.store, frozen, "a", clock.now);
  const b = await startNode(temp.store, clock, "b");
  expect([a.lease.keeps(), b.lease.keeps()]).toEqual([true, false]);
  await pass(clock, 15_000);
  expect(b.lease.keeps()).toBe(true);
  // It thaws: the clocks of the machine have gone on, and nothing that it waited for has been answered.
  frozen.advance(15_000);
  expect([a.lease.keeps(), a.lease.node(), a.told.at(-1)]).toEqual([false, undefined, "fenced"]);
  await pass(frozen, 1_000);
  expect([a.lease.node(), a.lease.keeps()]).toEqual(["a2", false]);
  for (const { lease } of [a, b]) await lease.close();
});

test("a node that thaws has lost all before the first of its timers fires", async () => {
  await using temp = await tempStore();
  const clock = fakeClock();
  let sleptMs = 0;
  const thawed: FakeClock = { ...clock, mono: () => clock.mono() + sleptMs };
  const { lease } = await startNode(temp.store, thawed, "a");
  expect([lease.node(), lease.keeps()]).toEqual(["a1", true]);
  sleptMs = 15_000;
  expect([lease.node(), lease.keeps()]).toEqual([undefined, false]);
  await lease.close();
});

test("when the keeper dies another keeps within 13 s; when it stops, with the next renewal", async () => {
  await using temp = await tempStore();
  const clock = fakeClock();
  const [a, b, c] = [
    await startNode(temp.store, clock, "a"),
    await startNode(temp.store, clock, "b"),
    await startNode(temp.store, clock, "c"),
  ];
  const keepers = () => [a, b, c].filter(({ lease }) => lease.keeps());
  await pass(clock, 1_000);
  // As a process that was killed: it neither renews nor ends anything.
  a.cut = true;
  await pass(clock, 13_000);
  expect(keepers()).toHaveLength(1);
  expect(keepers()).not.toContain(a);
  const [second] = keepers();
  second?.lease.retire();
  expect(second?.lease.keeps()).toBe(false);
  await second?.lease.close();
  await pass(clock, 3_000);
  expect(keepers()).toHaveLength(1);
  expect(keepers()).not.toContain(second);
  for (const { lease } of [a, b, c]) await lease.close();
});
