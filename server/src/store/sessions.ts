import type { Tx } from "./committer.js";
import { compiledQuery } from "./compiled.js";
import type { Stay } from "./log.js";
import type { Db, Row } from "./schema.js";

export type SessionRow = Row<"session">;

/** A session, and whether it has an open stream where several nodes keep that in the store. */
export type ListedSession = SessionRow & { open: number | null };

const byHash = compiledQuery((db) =>
  withUser(db)
    .select(["session.app_id", "session.session_id", "session.user_id", "session.used_ms", "session.expire_ms"])
    .select("user.kind as user_kind")
    .where("session.token_hash", "=", ""),
);

/** The session of a token, of whatever app, with the kind of its user. */
export async function findSessionByHash(db: Db, tokenHash: string) {
  return (await byHash(db, [tokenHash]))[0];
}

const openingOf = compiledQuery((db) =>
  withUser(db)
    .leftJoin("member", (on) =>
      on
        .onRef("member.app_id", "=", "user.app_id")
        .onRef("member.user_id", "=", "user.user_id")
        .on((e) => e.or([e("member.left_pos", "is", null), e("member.left_pos", ">", 0)])),
    )
    .select("user.invisible")
    .select(["member.place", "member.joined_pos as joinedPos", "member.left_pos as leftPos"])
    .where("session.app_id", "=", "")
    .where("session.session_id", "=", ""),
);

/** The user of a session as a stream needs to know it. */
export interface Opening {
  /** Whether the user wants to be shown as offline. */
  hidden: boolean;
  /** The user's stays that can matter after a position. */
  stays: Stay[];
}

/** What a stream must know of the user of its session, by one look; undefined when the session has ended. */
export async function findOpening(
  db: Db,
  appId: string,
  sessionId: string,
  afterPos: number,
): Promise<Opening | undefined> {
  const rows = await openingOf(db, [afterPos, appId, sessionId]);
  const [first] = rows;
  if (first === undefined) return undefined;
  const stays = rows.flatMap(({ place, joinedPos, leftPos }) =>
    place === null || joinedPos === null ? [] : [{ place, joinedPos, leftPos }],
  );
  return { hidden: first.invisible === 1, stays };
}

export async function findSession(db: Db, appId: string, sessionId: string): Promise<SessionRow | undefined> {
  return await db
    .selectFrom("session")
    .selectAll()
    .where("app_id", "=", appId)
    .where("session_id", "=", sessionId)
    .executeTakeFirst();
}

function withUser(db: Db) {
  return db
    .selectFrom("session")
    .innerJoin("user", (on) =>
      on.onRef("user.app_id", "=", "session.app_id").onRef("user.user_id", "=", "session.user_id"),
    );
}

/** The sessions of a user, newest first, before a session of that order. */
export async function listSessions(
  db: Db,
  appId: string,
  userId: string,
  before: { createMs: number; id: string } | undefined,
  limit: number,
): Promise<ListedSession[]> {
  let query = db
    .selectFrom("session")
    .leftJoin("live_session", (on) =>
      on
        .onRef("live_session.app_id", "=", "session.app_id")
        .onRef("live_session.session_id", "=", "session.session_id"),
    )
    .selectAll("session")
    .select("live_session.open")
    .where("session.app_id", "=", appId)
    .where("session.user_id", "=", userId)
    .orderBy("session.create_ms", "desc")
    .orderBy("session.session_id", "desc");
  if (before !== undefined)
    query = query.where((e) =>
      e.or([
        e("session.create_ms", "<", before.createMs),
        e.and([e("session.create_ms", "=", before.createMs), e("session.session_id", "<", before.id)]),
      ]),
    );
  return await query.limit(limit).execute();
}

/** The ids of the sessions of a user beyond its newest `keep`. */
export async function listSessionIdsBeyond(tx: Tx, userId: string, keep: number): Promise<string[]> {
  const rows = await tx.db
    .selectFrom("session")
    .select("session_id")
    .where("app_id", "=", tx.appId)
    .where("user_id", "=", userId)
    .orderBy("create_ms", "desc")
    .orderBy("session_id", "desc")
    .limit(1000)
    .offset(keep)
    .execute();
  return rows.map((row) => row.session_id);
}

export async function listInstallationSessionIds(tx: Tx, installationId: string): Promise<string[]> {
  const rows = await tx.db
    .selectFrom("session")
    .select("session_id")
    .where("app_id", "=", tx.appId)
    .where("installation_id", "=", installationId)
    .execute();
  return rows.map((row) => row.session_id);
}

/** The ids of sessions that ended unused by now. */
export async function listExpiredSessionIds(tx: Tx, limit: number): Promise<string[]> {
  const rows = await tx.db
    .selectFrom("session")
    .select("session_id")
    .where("app_id", "=", tx.appId)
    .where("expire_ms", "<=", tx.nowMs)
    .limit(limit)
    .execute();
  return rows.map((row) => row.session_id);
}

export async function insertSession(
  tx: Tx,
  session: Omit<SessionRow, "app_id" | "create_ms" | "used_ms" | "acked_pos">,
) {
  const row: SessionRow = {
    ...session,
    app_id: tx.appId,
    create_ms: tx.nowMs,
    used_ms: tx.nowMs,
    acked_pos: tx.head(),
  };
  await tx.db.insertInto("session").values(row).execute();
}

/** Moves the end of a session that was used. */
export async function touchSession(tx: Tx, sessionId: string, expireMs: number): Promise<void> {
  await tx.db
    .updateTable("session")
    .set({ used_ms: tx.nowMs, expire_ms: expireMs })
    .where("app_id", "=", tx.appId)
    .where("session_id", "=", sessionId)
    .execute();
}

/** Puts a session on another installation, or on none. */
export async function moveSession(
  tx: Tx,
  sessionId: string,
  to: Pick<SessionRow, "installation_id" | "platform">,
): Promise<void> {
  await tx.db
    .updateTable("session")
    .set(to)
    .where("app_id", "=", tx.appId)
    .where("session_id", "=", sessionId)
    .execute();
}

/** Deletes a session and gives what it was; undefined when there was none. */
export async function deleteSession(
  tx: Tx,
  sessionId: string,
): Promise<Pick<SessionRow, "installation_id"> | undefined> {
  return await tx.db
    .deleteFrom("session")
    .where("app_id", "=", tx.appId)
    .where("session_id", "=", sessionId)
    .returning("installation_id")
    .executeTakeFirst();
}
