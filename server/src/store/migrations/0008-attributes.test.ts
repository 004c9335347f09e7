import { fromJson, toBinary } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { rowsOf } from "../attribute-rows.js";
import { kyselyOver } from "../kysely.js";
import { core } from "./0001-core.js";
import { attributes } from "./0008-attributes.js";

test("what was there before can be searched, whatever its number", async () => {
  const database = new Database(":memory:");
  const db = kyselyOver(database);
  await core("sqlite").up(db as never);
  const data = toBinary(StructSchema, fromJson(StructSchema, { level: 3, tags: ["a", "b"] }));
  const addUser = database.prepare("insert into user values (?, ?, 1, ?, '', ?, 0, 7, null, 0)");
  for (let at = 0; at < 1_100; at += 1)
    addUser.run(at % 2 === 0 ? "a" : "b", `u${at}`, at % 3 === 0 ? "" : "Tom", at === 0 ? null : data);
  const addPlace = database.prepare("insert into place values (?, ?, ?, 'u0', ?, 1, 0, 1, 9)");
  for (let at = 0; at < 501; at += 1) addPlace.run("a", `${at % 2 === 0 ? "g" : "r"}:${at}`, "cats", data);
  await attributes("sqlite").up(db as never);
  const users = await db.selectFrom("user").selectAll().execute();
  const places = await db.selectFrom("place").selectAll().execute();
  const expected = [
    ...users.map((user) =>
      rowsOf(user.app_id, "u", `u:${user.user_id}`, { name: user.display_name, createMs: 7 }, user.attributes),
    ),
    ...places.map(({ place, attributes: own }) =>
      rowsOf("a", place.startsWith("g:") ? "g" : "r", place, { name: "cats", createMs: 9 }, own),
    ),
  ].flat();
  const key = (row: object) => JSON.stringify(Object.entries(row).sort());
  const rows = await db.selectFrom("attribute").selectAll().execute();
  expect(rows.map(key).sort()).toEqual(expected.map(key).sort());
  expect(rows.length).toBeGreaterThan(5_000);
  expect(users[0]).toMatchObject({ notify_everyone: 0, invisible: 0 });
  await db.destroy();
});
