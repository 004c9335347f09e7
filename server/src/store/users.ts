import { addSearchRows, replaceSearchRows } from "./attributes.js";
import { userAudience } from "./audience.js";
import type { Tx } from "./committer.js";
import { compiledQuery } from "./compiled.js";
import type { Db, Row } from "./schema.js";
import { addToStatistics, countAt } from "./statistics.js";

export type UserRow = Row<"user">;

const userOf = compiledQuery((db) =>
  db.selectFrom("user").selectAll().where("app_id", "=", "").where("user_id", "=", ""),
);

export async function findUser(db: Db, appId: string, userId: string): Promise<UserRow | undefined> {
  return (await userOf(db, [appId, userId]))[0];
}

/** The users of these ids that exist, by rising id. */
export async function findUsers(db: Db, appId: string, userIds: readonly string[]): Promise<UserRow[]> {
  const rows: UserRow[] = [];
  for (let at = 0; at < userIds.length; at += 500) {
    rows.push(
      ...(await db
        .selectFrom("user")
        .selectAll()
        .where("app_id", "=", appId)
        .where("user_id", "in", userIds.slice(at, at + 500))
        .execute()),
    );
  }
  return rows.sort((a, b) => (a.user_id < b.user_id ? -1 : 1));
}

const kindsOf = compiledQuery((db, userIds) =>
  db
    .selectFrom("user")
    .select(["user_id", "kind"])
    .where("app_id", "=", "")
    .where("user_id", "in", userIds as string[]),
);

/** The kinds of the users of these ids that exist. */
export async function findUserKinds(db: Db, appId: string, userIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await kindsOf(db, [appId, userIds]);
  return new Map(rows.map((row) => [row.user_id, row.kind]));
}

export async function insertUser(
  tx: Tx,
  user: Pick<UserRow, "user_id" | "kind" | "display_name" | "avatar_url" | "attributes">,
) {
  const row: UserRow = {
    ...user,
    app_id: tx.appId,
    created_pos: tx.head(),
    create_ms: tx.nowMs,
    last_active_ms: null,
    online: 0,
    notify_everyone: 0,
    invisible: 0,
  };
  await tx.db.insertInto("user").values(row).execute();
  await addToStatistics(tx, countAt(tx.nowMs, "new_users", 1));
  await addSearchRows(tx, "u", userAudience(row.user_id), searched(row), row.attributes);
  return row;
}

export async function updateUser(
  tx: Tx,
  userId: string,
  change: Partial<
    Pick<UserRow, "kind" | "display_name" | "avatar_url" | "attributes" | "notify_everyone" | "invisible">
  >,
): Promise<UserRow | undefined> {
  if (Object.keys(change).length > 0)
    await tx.db.updateTable("user").set(change).where("app_id", "=", tx.appId).where("user_id", "=", userId).execute();
  const row = await findUser(tx.db, tx.appId, userId);
  if (row !== undefined && ("display_name" in change || "attributes" in change))
    await replaceSearchRows(tx, "u", userAudience(userId), searched(row), row.attributes);
  return row;
}

const searched = (row: UserRow) => ({ name: row.display_name, createMs: row.create_ms });

/** Keeps a change of presence, for those who ask later and for the next start. */
export async function setPresence(tx: Tx, userId: string, online: boolean, atMs: number): Promise<void> {
  await tx.db
    .updateTable("user")
    .set({ online: online ? 1 : 0, last_active_ms: atMs })
    .where("app_id", "=", tx.appId)
    .where("user_id", "=", userId)
    .execute();
}

const onlineOf = compiledQuery((db, userIds) =>
  db
    .selectFrom("user")
    .select(["user_id as userId", "last_active_ms"])
    .where("app_id", "=", "")
    .where("online", "=", 1)
    .where("invisible", "=", 0)
    .where("user_id", "in", userIds as string[]),
);

/** Those of these users who are online, with when they came. */
export async function listOnlineAmong(
  db: Db,
  appId: string,
  userIds: readonly string[],
): Promise<{ userId: string; lastActiveMs: number | undefined }[]> {
  const rows = await onlineOf(db, [appId, 1, 0, userIds]);
  return rows.map(({ userId, last_active_ms }) => ({ userId, lastActiveMs: last_active_ms ?? undefined }));
}

const shownOf = compiledQuery((db, userIds) =>
  db
    .selectFrom("user")
    .select(["user_id", "online", "invisible"])
    .where("app_id", "=", "")
    .where("user_id", "in", userIds as string[]),
);

/** How these users are shown, and want to be. */
export async function listShown(db: Db, appId: string, userIds: readonly string[]) {
  return await shownOf(db, [appId, userIds]);
}

/** The ids of users of an app who are online, after one of that order. */
export async function listOnlineIds(db: Db, appId: string, after: string, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom("user")
    .select("user_id")
    .where("app_id", "=", appId)
    .where("online", "=", 1)
    .where("user_id", ">", after)
    .orderBy("user_id")
    .limit(limit)
    .execute();
  return rows.map(({ user_id }) => user_id);
}

/** The number of users of an app who are online. */
export async function countOnlineUsers(db: Db, appId: string): Promise<number> {
  const row = await db
    .selectFrom("user")
    .select((e) => e.fn.countAll<number>().as("count"))
    .where("app_id", "=", appId)
    .where("online", "=", 1)
    .where("invisible", "=", 0)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** The users who were here for others when the last server stopped. */
export async function listOnlineUsers(db: Db): Promise<{ app_id: string; user_id: string }[]> {
  return await db
    .selectFrom("user")
    .select(["app_id", "user_id"])
    .where("online", "=", 1)
    .where("invisible", "=", 0)
    .execute();
}
