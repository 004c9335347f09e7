import { expect, test } from "vitest";
import { tempStore } from "../../../test/support/temp-store.js";
import { deleteExpired, hasExpired } from "./retention.js";
import { takeTry } from "./tried.js";

const EVERY_MS = 30_000;

test("so many tries may be made at once, and one more each time one is free again", async () => {
  let nowMs = 1_000_000;
  await using temp = await tempStore({ now: () => nowMs });
  const take = (what = "tom") => temp.committer.run("app", (tx) => takeTry(tx, what, 10, EVERY_MS));
  for (let i = 0; i < 10; i++) expect(await take()).toBe(0);
  expect(await take()).toBe(EVERY_MS);
  nowMs += EVERY_MS - 1;
  expect(await take()).toBe(1);
  nowMs += 1;
  expect(await take()).toBe(0);
  expect(await take()).toBe(EVERY_MS);
  expect(await take("jerry")).toBe(0);
  // A clock that was set back.
  nowMs -= 1_000_000;
  expect(await take()).toBe(EVERY_MS);
});

test("what is free again is forgotten", async () => {
  let nowMs = 1_000_000;
  await using temp = await tempStore({ now: () => nowMs });
  await temp.committer.run("app", (tx) => takeTry(tx, "tom", 10, EVERY_MS));
  nowMs += EVERY_MS - 1;
  expect(await hasExpired(temp.store.read, "app", nowMs)).toBe(false);
  nowMs += 1;
  expect(await hasExpired(temp.store.read, "app", nowMs)).toBe(true);
  expect(await temp.committer.run("app", (tx) => deleteExpired(tx, 100))).toBe(1);
  expect(await temp.store.read.selectFrom("tried").selectAll().execute()).toEqual([]);
});
