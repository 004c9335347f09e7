import { afterAll, beforeAll, expect, test } from "vitest";
import { type TempStore, tempStore } from "../../../test/support/temp-store.js";
import { compiledQuery } from "./compiled.js";

let temp: TempStore;
beforeAll(async () => {
  temp = await tempStore();
  for (let at = 0; at < 600; at++)
    await temp.store.write
      .insertInto("audience")
      .values({ app_id: "a", audience: `u:${at}`, pos: at % 7 })
      .execute();
});
afterAll(() => temp[Symbol.asyncDispose]());

const positions = compiledQuery((db) =>
  db.selectFrom("audience").select("pos").where("app_id", "=", "").where("audience", "=", ""),
);
const rowsOf = compiledQuery((db, audiences) =>
  db
    .selectFrom("audience")
    .select("audience")
    .where("app_id", "=", "")
    .where("audience", "in", audiences as string[]),
);
const pairs = compiledQuery((db, apps, audiences) =>
  db
    .selectFrom("audience")
    .select(["app_id", "audience"])
    .where("app_id", "in", apps as string[])
    .where("audience", "in", audiences as string[]),
);

test("a compiled query is bound anew each time", async () => {
  expect(await positions(temp.store.read, ["a", "u:3"])).toEqual([{ pos: 3 }]);
  expect(await positions(temp.store.read, ["a", "u:12"])).toEqual([{ pos: 5 }]);
  expect(await positions(temp.store.read, ["b", "u:3"])).toEqual([]);
});

test("a list of any length finds each of its rows once, and nothing else", async () => {
  for (const length of [0, 1, 2, 3, 5, 64, 65, 255, 256, 257, 599]) {
    const names = Array.from({ length }, (_, at) => `u:${at}`);
    const found = (await rowsOf(temp.store.read, ["a", names])).map((row) => row.audience);
    expect(found.sort()).toEqual(names.sort());
  }
});

test("two lists are asked for together, in parts when they are long", async () => {
  const names = Array.from({ length: 500 }, (_, at) => `u:${at + 300}`);
  expect(await pairs(temp.store.read, [["a", "b"], names])).toHaveLength(300);
  expect(await pairs(temp.store.read, [[], names])).toEqual([]);
});
