import { addSearchRows, removeSearchRows, replaceSearchRows } from "./attributes.js";
import type { Tx } from "./committer.js";
import { compiledQuery } from "./compiled.js";
import { addDissolved } from "./dissolved.js";
import type { Db, Row } from "./schema.js";

export type PlaceRow = Row<"place">;
export type MemberRow = Row<"member">;

const placeOf = compiledQuery((db) =>
  db.selectFrom("place").selectAll().where("app_id", "=", "").where("place", "=", ""),
);

export async function findPlace(db: Db, appId: string, place: string): Promise<PlaceRow | undefined> {
  return (await placeOf(db, [appId, place]))[0];
}

/** The places of these names that are there, at most as many as one page holds. */
export async function findPlaces(db: Db, appId: string, places: readonly string[]): Promise<PlaceRow[]> {
  if (places.length === 0) return [];
  return await db.selectFrom("place").selectAll().where("app_id", "=", appId).where("place", "in", places).execute();
}

const memberOf = compiledQuery((db) =>
  db
    .selectFrom("member")
    .selectAll()
    .where("app_id", "=", "")
    .where("place", "=", "")
    .where("user_id", "=", "")
    .where("left_pos", "is", null),
);

/** The present membership of a user in a place. */
export async function findMember(db: Db, appId: string, place: string, userId: string): Promise<MemberRow | undefined> {
  return (await memberOf(db, [appId, place, userId]))[0];
}

const membersOf = compiledQuery((db, places, userIds) =>
  db
    .selectFrom("member")
    .select(["place", "user_id", "role", "joined_pos", "mute_until_ms"])
    .where("app_id", "=", "")
    .where("place", "in", places as string[])
    .where("user_id", "in", userIds as string[])
    .where("left_pos", "is", null),
);

/** The present memberships of any of these users in any of these places. */
export async function findMembersOf(db: Db, appId: string, places: readonly string[], userIds: readonly string[]) {
  return await membersOf(db, [appId, places, userIds]);
}

/** A place in the order of joining: those who came with the same event by rising id. Nothing in it changes while a stay lasts. */
export interface MemberOrder {
  joinedPos: number;
  userId: string;
}

/** The present members of a place in the order of joining, after a place in that order. */
export async function listMembers(
  db: Db,
  appId: string,
  place: string,
  after: MemberOrder | undefined,
  limit: number,
): Promise<MemberRow[]> {
  let query = db
    .selectFrom("member")
    .selectAll()
    .where("app_id", "=", appId)
    .where("place", "=", place)
    .where("left_pos", "is", null)
    .orderBy("joined_pos")
    .orderBy("user_id");
  if (after !== undefined)
    query = query.where((e) =>
      e.or([
        e("joined_pos", ">", after.joinedPos),
        e.and([e("joined_pos", "=", after.joinedPos), e("user_id", ">", after.userId)]),
      ]),
    );
  return await query.limit(limit).execute();
}

/** The ids of the present members of each of these places, in the order of joining. */
export async function listMemberIds(db: Db, appId: string, places: readonly string[]): Promise<Map<string, string[]>> {
  const ids = new Map(places.map((place): [string, string[]] => [place, []]));
  for (let at = 0; at < places.length; at += 500) {
    const rows = await db
      .selectFrom("member")
      .select(["place", "user_id"])
      .where("app_id", "=", appId)
      .where("place", "in", places.slice(at, at + 500))
      .where("left_pos", "is", null)
      .orderBy("joined_pos")
      .orderBy("user_id")
      .execute();
    for (const row of rows) ids.get(row.place)?.push(row.user_id);
  }
  return ids;
}

/** The places of one kind (`g:` or `r:`) that a user is in, by rising name, after a name. */
export async function listPlacesOf(
  db: Db,
  appId: string,
  userId: string,
  kind: "g:" | "r:",
  after: string,
  limit: number,
): Promise<PlaceRow[]> {
  return await db
    .selectFrom("member")
    .innerJoin("place", (join) =>
      join.onRef("place.app_id", "=", "member.app_id").onRef("place.place", "=", "member.place"),
    )
    .selectAll("place")
    .where("member.app_id", "=", appId)
    .where("member.user_id", "=", userId)
    .where("member.left_pos", "is", null)
    .where("member.place", ">", after === "" ? kind : after)
    // The character after the colon ends the kind's names.
    .where("member.place", "<", `${kind.slice(0, 1)};`)
    .orderBy("member.place")
    .limit(limit)
    .execute();
}

/** Those of these users who are in `most` places or more, groups and rooms together. */
export async function findCrowdedUsers(
  db: Db,
  appId: string,
  userIds: readonly string[],
  most: number,
): Promise<Set<string>> {
  const crowded = new Set<string>();
  for (let at = 0; at < userIds.length; at += 500) {
    const rows = await db
      .selectFrom("member")
      .select("user_id")
      .where("app_id", "=", appId)
      .where("user_id", "in", userIds.slice(at, at + 500))
      .where("left_pos", "is", null)
      .groupBy("user_id")
      .having((e) => e.fn.countAll(), ">=", most)
      .execute();
    for (const row of rows) crowded.add(row.user_id);
  }
  return crowded;
}

export async function insertPlace(tx: Tx, place: Omit<PlaceRow, "app_id" | "create_ms">): Promise<PlaceRow> {
  const row = { ...place, app_id: tx.appId, create_ms: tx.nowMs };
  await tx.db.insertInto("place").values(row).execute();
  await addSearchRows(tx, kindOf(row.place), row.place, searched(row), row.attributes);
  return row;
}

export async function updatePlace(
  tx: Tx,
  place: string,
  change: Partial<Omit<PlaceRow, "app_id" | "place" | "create_ms">>,
): Promise<void> {
  if (Object.keys(change).length === 0) return;
  await tx.db.updateTable("place").set(change).where("app_id", "=", tx.appId).where("place", "=", place).execute();
  if (!("name" in change || "attributes" in change)) return;
  const row = await findPlace(tx.db, tx.appId, place);
  if (row !== undefined) await replaceSearchRows(tx, kindOf(place), place, searched(row), row.attributes);
}

const kindOf = (place: string) => (place.startsWith("g:") ? "g" : "r");
const searched = (row: PlaceRow) => ({ name: row.name, createMs: row.create_ms });

/** Begins stays in a place at a position. */
export async function insertMembers(
  tx: Tx,
  place: string,
  joinedPos: number,
  members: readonly { userId: string; role: number }[],
): Promise<void> {
  for (let at = 0; at < members.length; at += 500) {
    await tx.db
      .insertInto("member")
      .values(
        members.slice(at, at + 500).map(({ userId, role }) => ({
          app_id: tx.appId,
          place,
          user_id: userId,
          joined_pos: joinedPos,
          left_pos: null,
          role,
          alias: "",
          attributes: null,
          mute_until_ms: 0,
          join_ms: tx.nowMs,
        })),
      )
      .execute();
  }
}

/** Ends stays in a place at a position, the event at which the one who leaves no longer sees as a member. */
export async function endStays(tx: Tx, place: string, userIds: readonly string[], leftPos: number): Promise<void> {
  for (let at = 0; at < userIds.length; at += 500) {
    await tx.db
      .updateTable("member")
      .set({ left_pos: leftPos })
      .where("app_id", "=", tx.appId)
      .where("place", "=", place)
      .where("left_pos", "is", null)
      .where("user_id", "in", userIds.slice(at, at + 500))
      .execute();
  }
}

export async function updateMember(
  tx: Tx,
  place: string,
  userId: string,
  change: Partial<Pick<MemberRow, "role" | "alias" | "attributes" | "mute_until_ms">>,
): Promise<void> {
  if (Object.keys(change).length === 0) return;
  await tx.db
    .updateTable("member")
    .set(change)
    .where("app_id", "=", tx.appId)
    .where("place", "=", place)
    .where("user_id", "=", userId)
    .where("left_pos", "is", null)
    .execute();
}

/**
 * Takes a place away. Of its log only the deletion at `deletedPos` can still be replayed, by those who were members then; what was said in it
 * can be reached by nobody, and is removed later, step by step.
 */
export async function dissolvePlace(tx: Tx, place: string, deletedPos: number): Promise<void> {
  await tx.db
    .deleteFrom("member")
    .where("app_id", "=", tx.appId)
    .where("place", "=", place)
    .where("left_pos", "is not", null)
    .execute();
  await tx.db
    .updateTable("member")
    .set({ joined_pos: deletedPos, left_pos: deletedPos + 1 })
    .where("app_id", "=", tx.appId)
    .where("place", "=", place)
    .execute();
  await tx.db.deleteFrom("place").where("app_id", "=", tx.appId).where("place", "=", place).execute();
  await removeSearchRows(tx, place);
  await tx.db.deleteFrom("conversation").where("app_id", "=", tx.appId).where("conversation_id", "=", place).execute();
  await tx.db.deleteFrom("participant").where("app_id", "=", tx.appId).where("conversation_id", "=", place).execute();
  await addDissolved(tx, place, deletedPos);
}

/** The places that a user owns (of a room: has made), by rising name, whether it is in them or not. */
export async function listOwnedPlaces(tx: Tx, userId: string): Promise<PlaceRow[]> {
  return await tx.db
    .selectFrom("place")
    .selectAll()
    .where("app_id", "=", tx.appId)
    .where("owner_user_id", "=", userId)
    .orderBy("place")
    .execute();
}

/** The places that a user is a member of, by rising name. */
export async function listAllPlacesOf(tx: Tx, userId: string): Promise<PlaceRow[]> {
  return await tx.db
    .selectFrom("member")
    .innerJoin("place", (join) =>
      join.onRef("place.app_id", "=", "member.app_id").onRef("place.place", "=", "member.place"),
    )
    .selectAll("place")
    .where("member.app_id", "=", tx.appId)
    .where("member.user_id", "=", userId)
    .where("member.left_pos", "is", null)
    .orderBy("member.place")
    .execute();
}

/** Who gets a place when its owner goes: of the others the one with the highest role, and among those the one that has been there longest. */
export async function findHeir(tx: Tx, place: string, ownerUserId: string): Promise<MemberRow | undefined> {
  return await tx.db
    .selectFrom("member")
    .selectAll()
    .where("app_id", "=", tx.appId)
    .where("place", "=", place)
    .where("left_pos", "is", null)
    .where("user_id", "!=", ownerUserId)
    .orderBy("role", "desc")
    .orderBy("joined_pos")
    .orderBy("user_id")
    .limit(1)
    .executeTakeFirst();
}

/** The number of places of one kind (`g:` or `r:`) that a user is in. */
export async function countPlacesOf(db: Db, appId: string, userId: string, kind: "g:" | "r:"): Promise<number> {
  const row = await db
    .selectFrom("member")
    .select((e) => e.fn.countAll<number>().as("count"))
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .where("left_pos", "is", null)
    .where("place", ">", kind)
    // The character after the colon ends the kind's names.
    .where("place", "<", `${kind.slice(0, 1)};`)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}
