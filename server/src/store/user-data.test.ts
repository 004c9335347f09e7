import { sql } from "kysely";
import { expect, test } from "vitest";
import { tempStore } from "../../../test/support/temp-store.js";
import { USER_DATA } from "./user-data.js";

test("every table has a decision on what becomes of it with a user, and every decision a table", async () => {
  await using temp = await tempStore();
  const { rows } = await sql<{ name: string }>`
    select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name not like 'kysely_%'`.execute(
    temp.store.read,
  );
  expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(USER_DATA).sort());
});

test("no table with a column that names a user is passed over", async () => {
  await using temp = await tempStore();
  const { rows } = await sql<{ table: string; column: string }>`
    select m.name as "table", c.name as "column" from sqlite_master m join pragma_table_info(m.name) c
    where m.type = 'table'`.execute(temp.store.read);
  const naming = rows.filter(({ column }) => /(^|_)user_id$|^friend_id$|^sender$|^subject$|^owner$/.test(column));
  expect(naming.length).toBeGreaterThan(8);
  for (const { table, column } of naming)
    expect(USER_DATA[table as keyof typeof USER_DATA], `${table}.${column}`).not.toBe("none");
});
