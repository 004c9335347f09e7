import { expect, test } from "vitest";
import { tempStore } from "../../../test/support/temp-store.js";
import { createLeases } from "./leases.js";

const LIFE_MS = 10_000;

test("a lease is one holder's until it is over or was ended", async () => {
  await using temp = await tempStore();
  let nowMs = 1_000_000;
  const leases = createLeases(temp.store, () => nowMs);
  const take = (holder: string) => leases.take("keeper", holder, LIFE_MS);
  expect(await take("a")).toBe(true);
  expect(await take("b")).toBe(false);
  nowMs += 6_000;
  expect(await take("a")).toBe(true);
  nowMs += LIFE_MS - 1;
  expect(await take("b")).toBe(false);
  nowMs += 1;
  expect(await leases.renew("keeper", "a", LIFE_MS)).toBe(false);
  expect(await take("b")).toBe(true);
  await leases.end("keeper", "a");
  expect(await take("a")).toBe(false);
  await leases.end("keeper", "b");
  expect(await take("a")).toBe(true);
});

test("a node is told of until it is forgotten, with how long it is over", async () => {
  await using temp = await tempStore();
  let nowMs = 1_000_000;
  const leases = createLeases(temp.store, () => nowMs);
  await leases.take("node:a", "a", LIFE_MS);
  await leases.take("keeper", "a", LIFE_MS);
  nowMs += 4_000;
  expect(await leases.renew("node:a", "a", LIFE_MS)).toBe(true);
  nowMs += 12_000;
  expect(await leases.list("node:")).toEqual([{ name: "node:a", holder: "a", leftMs: -2_000 }]);
  await leases.take("node:b", "b", LIFE_MS);
  await leases.forget("node:a");
  await leases.forget("node:b");
  expect((await leases.list("node:")).map(({ holder }) => holder)).toEqual(["b"]);
});

test("the database's own clock runs", async () => {
  await using temp = await tempStore();
  const leases = createLeases(temp.store);
  await leases.take("node:a", "a", LIFE_MS);
  const [lease] = await leases.list("node:");
  expect(lease?.leftMs).toBeGreaterThan(LIFE_MS - 5_000);
  expect(lease?.leftMs).toBeLessThanOrEqual(LIFE_MS);
});
