import type { Kysely, Migration } from "kysely";
import { rowsOf } from "../attribute-rows.js";
import type { Row, Schema } from "../schema.js";
import { type Dialect, shapes } from "./dialect.js";

/** Search: the attributes of users, groups and rooms, value by value. And what a user wants of its presence. */
export function attributes(dialect: Dialect): Migration {
  const { clustered } = shapes(dialect);
  return {
    async up(db: Kysely<unknown>) {
      // Clustered in the order that searches walk. The index is for asking about one thing, and holds all it takes: else SQLite would not use it.
      await clustered(db.schema.createTable("attribute"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("path", "text", (c) => c.notNull())
        .addColumn("folded", "text", (c) => c.notNull())
        .addColumn("owner", "text", (c) => c.notNull())
        .addColumn("exact", "text", (c) => c.notNull())
        .addColumn("single", "integer", (c) => c.notNull())
        .addPrimaryKeyConstraint("attribute_pk", ["app_id", "path", "folded", "owner", "exact"])
        .execute();
      await db.schema
        .createIndex("attribute_owner")
        .on("attribute")
        .columns(["app_id", "owner", "path", "folded", "single"])
        .execute();
      for (const column of ["notify_everyone", "invisible"])
        await db.schema
          .alterTable("user")
          .addColumn(column, "integer", (c) => c.notNull().defaultTo(0))
          .execute();
      await fill(db as Kysely<Schema>);
    },
  };
}

const STEP = 500;

/** Makes the rows of what is there already. */
async function fill(db: Kysely<Schema>): Promise<void> {
  for (let last = { app_id: "", user_id: "" }; ; ) {
    const users = await db
      .selectFrom("user")
      .select(["app_id", "user_id", "display_name", "attributes", "create_ms"])
      .where((e) =>
        e.or([e("app_id", ">", last.app_id), e.and([e("app_id", "=", last.app_id), e("user_id", ">", last.user_id)])]),
      )
      .orderBy("app_id")
      .orderBy("user_id")
      .limit(STEP)
      .execute();
    for (const user of users) {
      const fields = { name: user.display_name, createMs: user.create_ms };
      await insert(db, rowsOf(user.app_id, "u", `u:${user.user_id}`, fields, user.attributes));
    }
    const end = users.at(-1);
    if (end === undefined) break;
    last = end;
  }
  for (let last = { app_id: "", place: "" }; ; ) {
    const places = await db
      .selectFrom("place")
      .select(["app_id", "place", "name", "attributes", "create_ms"])
      .where((e) =>
        e.or([e("app_id", ">", last.app_id), e.and([e("app_id", "=", last.app_id), e("place", ">", last.place)])]),
      )
      .orderBy("app_id")
      .orderBy("place")
      .limit(STEP)
      .execute();
    for (const place of places) {
      const kind = place.place.startsWith("g:") ? "g" : "r";
      const fields = { name: place.name, createMs: place.create_ms };
      await insert(db, rowsOf(place.app_id, kind, place.place, fields, place.attributes));
    }
    const end = places.at(-1);
    if (end === undefined) return;
    last = end;
  }
}

async function insert(db: Kysely<Schema>, rows: Row<"attribute">[]): Promise<void> {
  for (let at = 0; at < rows.length; at += 64)
    await db
      .insertInto("attribute")
      .values(rows.slice(at, at + 64))
      .execute();
}
