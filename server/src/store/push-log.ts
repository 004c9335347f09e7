import type { Tx } from "./committer.js";
import { readableEvents } from "./readable.js";
import type { Db } from "./schema.js";

/** An event that may be pushed. */
export interface PushEvent {
  pos: number;
  audiences: readonly string[];
  createMs: number;
}

/** A user with a phone that pushes go to. */
export interface Recipient {
  userId: string;
  installationId: string;
}

/** How far pushing has come, of every app that has begun. */
export async function listPushCursors(db: Db): Promise<{ appId: string; pos: number }[]> {
  return await db.selectFrom("push_cursor").select(["app_id as appId", "pos"]).execute();
}

export async function findPushCursor(db: Db, appId: string): Promise<number | undefined> {
  const row = await db.selectFrom("push_cursor").select("pos").where("app_id", "=", appId).executeTakeFirst();
  return row?.pos;
}

export async function putPushCursor(tx: Tx, pos: number): Promise<void> {
  await tx.db
    .insertInto("push_cursor")
    .values({ app_id: tx.appId, pos })
    .onConflict((conflict) => conflict.column("app_id").doUpdateSet({ pos }))
    .execute();
}

/** Begins pushing at the head of the log, unless it has begun. For the transaction that stores an app's first credential: no message after it is left out. */
export async function beginPushCursor(tx: Tx): Promise<void> {
  await tx.db
    .insertInto("push_cursor")
    .values({ app_id: tx.appId, pos: tx.head() })
    .onConflict((conflict) => conflict.column("app_id").doNothing())
    .execute();
}

/** Ends pushing, unless there is a credential after all: what is said from now on is never pushed. */
export async function deletePushCursor(tx: Tx): Promise<void> {
  const credential = tx.db.selectFrom("push_credential").select("app_id").where("app_id", "=", tx.appId);
  await tx.db
    .deleteFrom("push_cursor")
    .where("app_id", "=", tx.appId)
    .where((e) => e.not(e.exists(credential)))
    .execute();
}

/** How far pushing and the log have come, of every app that pushes. */
export async function listPushHeads(db: Db): Promise<{ appId: string; pos: number; head: number }[]> {
  return await db
    .selectFrom("push_cursor")
    .innerJoin("app_log", "app_log.app_id", "push_cursor.app_id")
    .select(["push_cursor.app_id as appId", "push_cursor.pos", "app_log.pos as head"])
    .execute();
}

/** The events of these kinds after a position and up to another, in order, at most `limit`. Those whose content was deleted are not among them. */
export async function listPushEvents(
  db: Db,
  appId: string,
  kinds: readonly number[],
  fromPos: number,
  toPos: number,
  limit: number,
): Promise<PushEvent[]> {
  const rows = await db
    .selectFrom("event")
    .select(["pos", "audiences", "create_ms"])
    .where("app_id", "=", appId)
    .where("pos", ">", fromPos)
    .where("pos", "<=", toPos)
    .where("kind", "in", kinds)
    .where((e) => e.fn<number>("length", ["payload"]), ">", 0)
    .orderBy("pos")
    .limit(limit)
    .execute();
  return rows.map(({ pos, audiences, create_ms }) => ({ pos, audiences: audiences.split("\n"), createMs: create_ms }));
}

/** The content of events by their positions, as it may be read: empty where it was deleted, absent where retention has passed. */
export async function readPayloads(
  db: Db,
  appId: string,
  positions: readonly number[],
): Promise<Map<number, { payload: Uint8Array; createMs: number }>> {
  if (positions.length === 0) return new Map();
  const rows = await db
    .selectFrom("event")
    .select(["pos", "kind", "audiences", "payload", "create_ms"])
    .where("app_id", "=", appId)
    .where("pos", "in", positions)
    .execute();
  const readable = await readableEvents(db, appId, rows);
  return new Map(readable.map(({ pos, payload, create_ms }) => [pos, { payload, createMs: create_ms }]));
}

/** The push options of messages, and whether each counts as unread. */
export async function readPushOptions(
  db: Db,
  appId: string,
  messageIds: readonly string[],
): Promise<Map<string, { push: Uint8Array | null; counting: boolean }>> {
  if (messageIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("message")
    .select(["message_id", "push", "counting"])
    .where("app_id", "=", appId)
    .where("message_id", "in", messageIds)
    .execute();
  return new Map(rows.map((row) => [row.message_id, { push: row.push, counting: row.counting === 1 }]));
}

/** The phones of these users. */
export async function listRecipients(db: Db, appId: string, userIds: readonly string[]): Promise<Recipient[]> {
  if (userIds.length === 0) return [];
  return await db
    .selectFrom("installation")
    .select(["user_id as userId", "installation_id as installationId"])
    .where("app_id", "=", appId)
    .where("user_id", "in", userIds)
    .where("push_token", "!=", "")
    .execute();
}

/** The phones of those who were members of a place at a position, by rising user and installation, after one of that order. */
export async function listPlaceRecipients(
  db: Db,
  appId: string,
  place: string,
  pos: number,
  after: Recipient | undefined,
  limit: number,
): Promise<Recipient[]> {
  let query = db
    .selectFrom("member")
    .innerJoin("installation", (join) =>
      join
        .onRef("installation.app_id", "=", "member.app_id")
        .onRef("installation.user_id", "=", "member.user_id")
        .on("installation.push_token", "!=", ""),
    )
    .select(["member.user_id as userId", "installation.installation_id as installationId"])
    .where("member.app_id", "=", appId)
    .where("member.place", "=", place)
    .where("member.joined_pos", "<=", pos)
    .where((e) => e.or([e("member.left_pos", "is", null), e("member.left_pos", ">", pos)]))
    .orderBy("member.user_id")
    .orderBy("installation.installation_id");
  if (after !== undefined)
    query = query
      .where("member.user_id", ">=", after.userId)
      .where((e) =>
        e.or([e("member.user_id", ">", after.userId), e("installation.installation_id", ">", after.installationId)]),
      );
  return await query.limit(limit).execute();
}

/** The sessions of these users, by user. */
export async function listSessionsOf(
  db: Db,
  appId: string,
  userIds: readonly string[],
): Promise<Map<string, { sessionId: string; ackedPos: number; createMs: number }[]>> {
  const sessions = new Map<string, { sessionId: string; ackedPos: number; createMs: number }[]>();
  if (userIds.length === 0) return sessions;
  const rows = await db
    .selectFrom("session")
    .select(["user_id", "session_id", "acked_pos", "create_ms"])
    .where("app_id", "=", appId)
    .where("user_id", "in", userIds)
    .execute();
  for (const row of rows) {
    const own = sessions.get(row.user_id) ?? [];
    own.push({ sessionId: row.session_id, ackedPos: row.acked_pos, createMs: row.create_ms });
    sessions.set(row.user_id, own);
  }
  return sessions;
}

/** What those who show a message call its sender and its place. */
export async function readPushNames(
  db: Db,
  appId: string,
  senderId: string,
  place: string | undefined,
): Promise<{ sender: string; group: string }> {
  const user =
    senderId === ""
      ? undefined
      : await db
          .selectFrom("user")
          .select("display_name")
          .where("app_id", "=", appId)
          .where("user_id", "=", senderId)
          .executeTakeFirst();
  if (place === undefined) return { sender: user?.display_name || senderId, group: "" };
  const found = await db
    .selectFrom("place")
    .leftJoin("member", (join) =>
      join
        .onRef("member.app_id", "=", "place.app_id")
        .onRef("member.place", "=", "place.place")
        .on("member.user_id", "=", senderId)
        .on("member.left_pos", "is", null),
    )
    .select(["place.name", "member.alias"])
    .where("place.app_id", "=", appId)
    .where("place.place", "=", place)
    .executeTakeFirst();
  return { sender: found?.alias || user?.display_name || senderId, group: found?.name ?? "" };
}
