import type { Tx } from "./committer.js";
import { compiledQuery } from "./compiled.js";
import { readableMessages } from "./readable.js";
import type { Db } from "./schema.js";

export async function areFriends(db: Db, appId: string, userId: string, friendId: string): Promise<boolean> {
  return (await findFriend(db, appId, userId, friendId)) !== undefined;
}

export async function findFriend(db: Db, appId: string, userId: string, friendId: string) {
  return await db
    .selectFrom("friend")
    .select(["friend_id", "create_ms"])
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .where("friend_id", "=", friendId)
    .executeTakeFirst();
}

const friendsOf = compiledQuery((db) =>
  db
    .selectFrom("friend")
    .select(["friend_id", "create_ms"])
    .where("app_id", "=", "")
    .where("user_id", "=", "")
    .where("friend_id", ">", "")
    .orderBy("friend_id")
    .limit(0),
);

/** The friends of a user by rising id, after an id; all of them without a limit. */
export async function listFriends(db: Db, appId: string, userId: string, after = "", limit = Number.MAX_SAFE_INTEGER) {
  return await friendsOf(db, [appId, userId, after, limit]);
}

/** Those of these users who are friends of a user, by rising id. */
export async function findFriendsAmong(db: Db, appId: string, userId: string, friendIds: readonly string[]) {
  const ids: string[] = [];
  for (let at = 0; at < friendIds.length; at += 500) {
    const rows = await db
      .selectFrom("friend")
      .select("friend_id")
      .where("app_id", "=", appId)
      .where("user_id", "=", userId)
      .where("friend_id", "in", friendIds.slice(at, at + 500))
      .execute();
    for (const row of rows) ids.push(row.friend_id);
  }
  return ids.sort();
}

export async function countFriends(db: Db, appId: string, userId: string): Promise<number> {
  const row = await db
    .selectFrom("friend")
    .select((e) => e.fn.countAll<number>().as("count"))
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Makes two users friends, both ways. */
export async function insertFriends(tx: Tx, a: string, b: string): Promise<void> {
  await tx.db
    .insertInto("friend")
    .values([
      { app_id: tx.appId, user_id: a, friend_id: b, create_ms: tx.nowMs },
      { app_id: tx.appId, user_id: b, friend_id: a, create_ms: tx.nowMs },
    ])
    .execute();
}

/** Ends a friendship, both ways. */
export async function deleteFriends(tx: Tx, a: string, b: string): Promise<void> {
  await tx.db
    .deleteFrom("friend")
    .where("app_id", "=", tx.appId)
    .where((e) =>
      e.or([
        e.and([e("user_id", "=", a), e("friend_id", "=", b)]),
        e.and([e("user_id", "=", b), e("friend_id", "=", a)]),
      ]),
    )
    .execute();
}

/** The newest message of each of a user's conversations that lies after a position, and that neither retention nor the user itself has hidden. */
export async function findNewestMessages(
  db: Db,
  appId: string,
  userId: string,
  conversationIds: readonly string[],
  afterPos: number,
) {
  const rows: { conversation_id: string; sender: string; pos: number; payload: Uint8Array }[] = [];
  for (let at = 0; at < conversationIds.length; at += 500) {
    rows.push(
      ...(await db
        .selectFrom("conversation")
        // The newest has the highest seq; when it is gone, so is all before it.
        .innerJoin("message", (join) =>
          join
            .onRef("message.app_id", "=", "conversation.app_id")
            .onRef("message.conversation_id", "=", "conversation.conversation_id")
            .onRef("message.seq", "=", "conversation.head_seq"),
        )
        .leftJoin("participant", (join) =>
          join
            .onRef("participant.app_id", "=", "conversation.app_id")
            .onRef("participant.conversation_id", "=", "conversation.conversation_id")
            .on("participant.user_id", "=", userId),
        )
        .select(["message.conversation_id", "message.sender", "message.pos", "message.payload"])
        .where("conversation.app_id", "=", appId)
        .where("conversation.conversation_id", "in", conversationIds.slice(at, at + 500))
        .where((e) => e("message.pos", ">", e.fn.coalesce("participant.hidden_pos", e.lit(0))))
        .where("message.pos", ">", afterPos)
        .whereRef("message.seq", ">", "conversation.floor_seq")
        .execute()),
    );
  }
  return new Map((await readableMessages(db, appId, rows)).map((row) => [row.conversation_id, row.payload]));
}

/** Ends all friendships of a user, both ways, and gives the ids of those who were its friends. */
export async function deleteAllFriends(tx: Tx, userId: string): Promise<string[]> {
  const friends = (await listFriends(tx.db, tx.appId, userId)).map((row) => row.friend_id);
  for (let at = 0; at < friends.length; at += 500)
    await tx.db
      .deleteFrom("friend")
      .where("app_id", "=", tx.appId)
      .where("user_id", "in", friends.slice(at, at + 500))
      .where("friend_id", "=", userId)
      .execute();
  await tx.db.deleteFrom("friend").where("app_id", "=", tx.appId).where("user_id", "=", userId).execute();
  return friends;
}
